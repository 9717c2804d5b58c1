"""One symbol's way through its connections: who brings it, since when, and what was missed. Pure.

Times are epoch milliseconds, UTC. That a connection was subscribed proves nothing, since one
that died silently is noticed late; a frame proves that all before it was received, because
frames come in their order.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Final

from cryptostream.ingest.spans import FOREVER, Span, without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.messages import GapState
    from cryptostream.contracts.trade import Trade

#: Five times what REST gives back, so that each of its rows that we had is recognised.
KNOWN_IDS: Final = 300
CLOSED_SESSIONS: Final = 8
#: Trades that are dropped within so long of each other are one gap.
JOIN_MS: Final = 1_000
#: More unsettled gaps of one symbol than this grow together.
MAX_GAPS: Final = 8


@dataclass(slots=True)
class OpenGap:
    """An interruption that is not told for the last time yet.

    `to_time` is `FOREVER` while it lasts. `before` and `after` are how many trades had come in
    when it began and when it ended, where that is known. A gap is `tentative` until somebody
    looked whether others covered it: a start that others covered is no interruption at all.
    `undelivered` trades were received, so that to know their ids says nothing.
    """

    from_time: int
    to_time: int
    cause: str
    before: int | None = None
    after: int | None = None
    undelivered: bool = False
    tentative: bool = False
    state: GapState = "open"
    repaired_from: int | None = None
    stitched: int = 0
    settled: bool = False
    changed: bool = True

    @property
    def lasts(self) -> bool:
        """Whether nobody brings the symbol yet."""
        return self.to_time == FOREVER

    def reopen(self, to_time: int) -> None:
        """Make it last longer; whatever was found out about it no longer holds."""
        self.to_time = max(self.to_time, to_time)
        self.after = None
        self.state, self.repaired_from, self.settled = "open", None, False
        self.changed = True


@dataclass(slots=True)
class Session:
    """A connection's subscription: granted at `since`, proven to have come up to `proven`."""

    since: int
    proven: int


@dataclass(slots=True)
class Track:
    """What is known of one symbol."""

    sessions: dict[str, Session] = field(default_factory=dict)
    closed: deque[Span] = field(default_factory=lambda: deque(maxlen=CLOSED_SESSIONS))
    gaps: list[OpenGap] = field(default_factory=list)
    ids: deque[str] = field(default_factory=lambda: deque(maxlen=KNOWN_IDS))
    fetched: deque[str] = field(default_factory=lambda: deque(maxlen=KNOWN_IDS))
    #: Connections that live and are silent on the symbol.
    muted: set[str] = field(default_factory=set)
    seen: int = 0
    counted: int = 0
    rate: float = 0.0
    #: Since when nothing is missing, as far as we know; None while nobody brings it.
    since: int | None = None

    def known(self) -> set[str]:
        """Give the ids of the newest trades, of those that came and of those that were fetched."""
        return {*self.ids, *self.fetched}

    def ids_before(self, count: int) -> set[str]:
        """Give those ids that had come in when `count` trades had."""
        return set(islice(self.ids, max(0, len(self.ids) - (self.seen - count))))

    def bring(self, connection: str, at_ms: int) -> Session:
        """Note that a connection brings the symbol; what lasted ends."""
        if not self.sessions:
            self.end_gaps(at_ms)
            self.since = at_ms
        self.muted.discard(connection)
        return self.sessions.setdefault(connection, Session(at_ms, at_ms))

    def leave(self, connection: str) -> Session | None:
        """Note that a connection no longer brings the symbol; give its session, if it had one."""
        self.muted.discard(connection)
        return self.sessions.pop(connection, None)

    def resumed(self, connection: str, at_ms: int) -> Session | None:
        """Take a connection back that was silent on the symbol and brings it after all."""
        return self.bring(connection, at_ms) if connection in self.muted else None

    def take(self, trades: Sequence[Trade], connection: str) -> None:
        """Note a frame's trades. In the hot path: what can be done once is done once."""
        first = trades[0]
        if self.gaps:
            self.begin_live(min(first.trade_time, first.ingest_time))
        self.ids.extend([trade.trade_id for trade in trades])
        self.seen += len(trades)
        session = self.sessions.get(connection) or self.resumed(connection, first.ingest_time)
        if session is not None:
            newest = max([trade.trade_time for trade in trades])
            if newest > session.proven:
                session.proven = min(newest, first.ingest_time)

    def unproven(self, start: int) -> list[Span]:
        """Give the parts of [start, for ever) in which nothing proves that we received it."""
        open_spans = [(session.since, FOREVER) for session in self.sessions.values()]
        noted = [(gap.from_time, gap.to_time) for gap in self.gaps if not gap.settled]
        return without((start, FOREVER), [*open_spans, *self.closed, *noted])

    def open_gap(self, gap: OpenGap) -> None:
        """Note a gap; one too many makes the last one before it longer instead."""
        earlier = [known for known in self.gaps if known.from_time <= gap.from_time]
        same = [known for known in earlier if _same(known, gap)]
        if same or (earlier and len(self.gaps) >= MAX_GAPS):
            grown = same[0] if same else max(earlier, key=lambda known: known.from_time)
            grown.reopen(gap.to_time)
            grown.undelivered |= gap.undelivered
        else:
            self.gaps.append(gap)

    def drop(self, gap: OpenGap) -> None:
        """Note trades that were not delivered; a drop that goes on makes its gap longer."""
        for known in self.gaps:
            if known.undelivered and known.cause == gap.cause and _touch(known, gap):
                known.reopen(gap.to_time)
                return
        self.open_gap(gap)

    def end_gaps(self, at_ms: int) -> None:
        """End what lasts: the symbol is brought again, or is no longer ours."""
        for gap in self.gaps:
            if gap.lasts:
                gap.to_time = max(gap.from_time, at_ms)
                gap.after = self.seen
                gap.changed = True

    def begin_live(self, trade_time: int) -> None:
        """Let the gaps after which nothing came last until this trade, the first one to come.

        A grant does not prove that the exchange sends from then on.
        """
        for gap in self.gaps:
            if gap.after == self.seen and not gap.settled and trade_time > gap.to_time:
                gap.to_time, gap.changed = trade_time, True
                self.since = None if self.since is None else max(self.since, trade_time)

    def open_ms(self, now_ms: int) -> int:
        """Give how long the gaps are that nothing closed so far."""
        spans = ((gap.from_time, min(gap.to_time, now_ms)) for gap in self.gaps)
        return sum(max(0, end - start) for start, end in spans)


def _touch(known: OpenGap, gap: OpenGap) -> bool:
    """Tell whether the second begins within the first or soon after it."""
    return known.from_time <= gap.from_time <= known.to_time + JOIN_MS


def _same(known: OpenGap, gap: OpenGap) -> bool:
    """Tell whether both would have the same id."""
    return known.from_time == gap.from_time and known.cause == gap.cause
