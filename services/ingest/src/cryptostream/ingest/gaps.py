"""The ledger of gaps: when no connection of ours brought a symbol. Pure.

A gap opens
- when the last connection that brings a symbol is lost, or is found silent on it, or when the
  exchange refuses it. It begins at the last moment for which a frame proves that we received the
  symbol, never at the loss, which is noticed late;
- when trades were received and could not be delivered to Kafka;
- when a symbol comes to us, at the start of the process (`start`) or later (`rebalance`), and
  the newest word of anyone who received it is older than our grant: from that word to the grant.
  Where nobody is known to have received it before, nothing was interrupted and no gap opens.

A second connection that brings the symbol all along means no gap. The gap lasts until a
connection is granted the symbol, or brings a trade of it. Then it is due for closing; until it
is closed, the first trade to come makes it longer.

Times are epoch milliseconds, UTC, of clocks that agree within `MARGIN_MS`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.contracts.messages import Gap, GapState
from cryptostream.ingest.spans import FOREVER
from cryptostream.ingest.track import OpenGap, Session, Track

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptostream.contracts.trade import Trade

#: A frame of one symbol may overtake a trade of another one on the same connection by less.
MARGIN_MS: Final = 1_000
#: A connection that died silently is given up within this (30 s and a grace).
NOTICED_MS: Final = 60_000
#: A connection without a frame for so long proves nothing about the present; see `since`.
FRESH_MS: Final = 6_000
#: A symbol that comes to us so soon after the first one came with the start of the process.
START_MS: Final = 60_000
RATE_HALF_LIFE_MS: Final = 60_000


def _never_told(_: str) -> int | None:
    return None


class GapLedger:
    """Listens to the connections (`observer.Observer`) and knows what they missed.

    Args:
        exchange: as in the contract of trades.
        category: as in the contract of trades.
        instance: who we are among the instances of ingest, as in `Coverage`.
        shard: as in the contract of trades.
        told_until: when any other instance, or we before a restart, last reported a symbol.
        margin_ms: see `MARGIN_MS`.
    """

    def __init__(
        self,
        exchange: str,
        category: str,
        *,
        instance: str,
        shard: str,
        told_until: Callable[[str], int | None] = _never_told,
        margin_ms: int = MARGIN_MS,
    ) -> None:
        self._exchange, self._category = exchange, category
        self._instance, self._shard = instance, shard
        self._told_until = told_until
        self._margin = margin_ms
        self._tracks: dict[str, Track] = {}
        self._heard: dict[str, int] = {}
        self._born: int | None = None
        self._rated: int | None = None

    def subscribed(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """Note a grant: what lasted for these symbols ends, and is due for closing."""
        self._born = at_ms if self._born is None else self._born
        self._heard[connection] = max(at_ms, self._heard.get(connection, at_ms))
        for symbol in symbols:
            track = self._tracks.get(symbol)
            if track is None:
                track = self._tracks[symbol] = Track()
                self._take_over(symbol, track, at_ms)
            track.bring(connection, at_ms)

    def lost(self, symbols: Iterable[str], connection: str, at_ms: int, cause: str) -> None:
        """Note that a connection brings these symbols no more."""
        heard = self._heard.get(connection)
        for symbol in symbols:
            track = self._tracks.get(symbol)
            session = track.leave(connection) if track else None
            if track is None or session is None:
                continue
            proven = session.proven if heard is None else max(session.proven, heard - self._margin)
            self._close_session(track, Session(session.since, min(proven, at_ms)), at_ms, cause)
        self._forget_idle(connection)

    def refused(self, symbol: str, connection: str, at_ms: int) -> None:
        """Note a symbol that the exchange does not grant: missing, if nobody else brings it."""
        track = self._tracks.setdefault(symbol, Track())
        if connection in track.sessions:
            self.lost([symbol], connection, at_ms, "refused")
        elif not track.sessions and not any(gap.lasts for gap in track.gaps):
            track.open_gap(OpenGap(at_ms, FOREVER, "refused", track.seen))

    def given_up(self, symbols: Iterable[str], connection: str, at_ms: int) -> None:
        """Note what is for others now; what was missed until here stays to be closed."""
        for symbol in symbols:
            track = self._tracks.get(symbol)
            if track is None:
                continue
            track.leave(connection)
            if not track.sessions:
                track.end_gaps(at_ms)
                track.since = None
        self._forget_idle(connection)

    def received(self, trades: Sequence[Trade], connection: str) -> None:
        """Note one frame's trades: all before them on the connection came in, too."""
        if not trades:
            return
        track = self._tracks.get(trades[0].symbol)
        if track is not None:
            track.take(trades, connection)
        if connection in self._heard:
            self._heard[connection] = max(self._heard[connection], trades[-1].ingest_time)

    def silent(self, symbol: str, connection: str, since_ms: int, at_ms: int) -> None:
        """Note a symbol that a live connection stopped to bring; its next trade ends that."""
        track = self._tracks.get(symbol)
        session = track.leave(connection) if track else None
        if track is None or session is None:
            return
        track.muted.add(connection)
        # The watchdog sees a frame a little later than it came.
        proven = max(session.since, min(since_ms, session.proven))
        self._close_session(track, Session(session.since, proven), at_ms, "silence")

    def dropped(self, symbol: str, from_ms: int, to_ms: int, cause: str) -> None:
        """Note an interval whose trades never reached Kafka."""
        track = self._tracks.setdefault(symbol, Track())
        track.drop(OpenGap(from_ms, max(from_ms, to_ms), cause, undelivered=True))
        if track.since is not None:
            track.since = max(track.since, to_ms)

    def due(self, now_ms: int) -> list[Gap]:
        """Give the ended gaps that nobody settled, the oldest first, of those the busiest."""
        found = [
            (gap.to_time, -track.rate, self._record(symbol, gap, now_ms))
            for symbol, track in self._tracks.items()
            for gap in track.gaps
            if not gap.lasts and not gap.settled
        ]
        return [record for *_, record in sorted(found, key=lambda item: item[:2])]

    def renewed(self, gap: Gap, now_ms: int) -> Gap:
        """Give a gap that was due as it is now; it may have grown."""
        found = self._find(gap)[1]
        return self._record(gap.symbol, found, now_ms) if found else gap

    def settle(
        self, gap: Gap, state: GapState, *, repaired_from: int | None = None, stitched: int = 0
    ) -> bool:
        """Say what became of a gap that was due; False if it has grown meanwhile."""
        track, found = self._find(gap)
        if track is None or found is None or found.to_time != gap.to_time:
            return False
        found.state, found.repaired_from = state, repaired_from
        found.stitched += stitched
        found.settled = found.changed = True
        if found.tentative and state == "covered":
            track.gaps.remove(found)
        found.tentative = False
        return True

    def tell(self, now_ms: int) -> list[Gap]:
        """Give each gap that changed since the last telling, and forget the settled ones."""
        told: list[Gap] = []
        for symbol, track in list(self._tracks.items()):
            for gap in list(track.gaps):
                if gap.changed and not gap.tentative:
                    told.append(self._record(symbol, gap, now_ms))
                    gap.changed = False
                if gap.settled:
                    track.gaps.remove(gap)
            if not track.sessions and not track.gaps and track.since is None:
                del self._tracks[symbol]
        return told

    def known(self, gap: Gap) -> tuple[set[str], set[str], set[str]]:
        """Give the ids that came in before the gap, after it, and all that we know.

        The first two hold only what is certain; trades that were not delivered count as unknown.
        """
        track, found = self._find(gap)
        if track is None or found is None:
            return set(), set(), set()
        if found.undelivered:
            return set(), set(), set(track.fetched)
        known = track.known()
        before = set() if found.before is None else track.ids_before(found.before)
        after = set() if found.after is None else set(track.ids) - track.ids_before(found.after)
        return before, after, known

    def stitched(self, symbol: str, ids: Iterable[str]) -> None:
        """Note trades that were fetched, so that no other gap fetches them again."""
        track = self._tracks.get(symbol)
        if track is not None:
            track.fetched.extend(ids)

    def since(self, now_ms: int) -> dict[str, int]:
        """Give since when each symbol comes without interruption.

        Only symbols for which a frame of the last `FRESH_MS` proves it: others trust this when
        they call a gap of theirs covered, and a connection may be dead without our knowing.
        """
        return {
            symbol: track.since
            for symbol, track in self._tracks.items()
            if track.since is not None and self._proven(track) >= now_ms - FRESH_MS
        }

    def rates(self, now_ms: int) -> dict[str, float]:
        """Give the recent trades per second of each symbol that is ours; call it now and then."""
        elapsed = 0 if self._rated is None else now_ms - self._rated
        for track in self._tracks.values():
            if elapsed > 0:
                kept = 0.5 ** (elapsed / RATE_HALF_LIFE_MS)
                fresh = (track.seen - track.counted) * 1000.0 / elapsed
                track.rate = fresh if track.rate == 0.0 else fresh + kept * (track.rate - fresh)
            track.counted = track.seen
        self._rated = now_ms
        return {symbol: track.rate for symbol, track in self._tracks.items() if track.sessions}

    def open_ms(self, now_ms: int) -> dict[str, int]:
        """Give how long each symbol's gaps are that nothing closed so far."""
        lengths = {symbol: track.open_ms(now_ms) for symbol, track in self._tracks.items()}
        return {symbol: length for symbol, length in lengths.items() if length}

    def _take_over(self, symbol: str, track: Track, at_ms: int) -> None:
        told = self._told_until(symbol)
        if told is None or told >= at_ms:
            return
        cause = "start" if self._born is None or at_ms - self._born < START_MS else "rebalance"
        track.open_gap(OpenGap(told, at_ms, cause, after=track.seen, tentative=True))

    def _close_session(self, track: Track, session: Session, at_ms: int, cause: str) -> None:
        """Open gaps where, without this session, nothing proves that we received the symbol."""
        track.closed.append((session.since, session.proven))
        for start, end in track.unproven(session.proven):
            if end == FOREVER:
                track.open_gap(OpenGap(start, end, cause, track.seen))
                track.since = None
            elif end > at_ms - NOTICED_MS:
                track.open_gap(OpenGap(start, end, cause))
                track.since = None if track.since is None else max(track.since, end)

    def _proven(self, track: Track) -> int:
        """Give the newest moment up to which some connection certainly brought the symbol."""
        return max(
            (max(own.proven, self._heard.get(name, 0)) for name, own in track.sessions.items()),
            default=0,
        )

    def _forget_idle(self, connection: str) -> None:
        if not any(connection in track.sessions for track in self._tracks.values()):
            self._heard.pop(connection, None)

    def _find(self, gap: Gap) -> tuple[Track | None, OpenGap | None]:
        track = self._tracks.get(gap.symbol)
        wanted = (gap.from_time, gap.cause)
        gaps = track.gaps if track else []
        found = (known for known in gaps if (known.from_time, known.cause) == wanted)
        return track, next(found, None)

    def _record(self, symbol: str, gap: OpenGap, now_ms: int) -> Gap:
        to_time = max(gap.from_time, now_ms) if gap.lasts else gap.to_time
        place = f"{self._exchange}:{self._category}:{symbol}:{self._instance}"
        return Gap(
            gap_id=f"{place}:{gap.from_time}:{gap.cause}",
            exchange=self._exchange,
            category=self._category,
            symbol=symbol,
            from_time=gap.from_time,
            to_time=to_time,
            cause=gap.cause,
            state=gap.state,
            shard=self._shard,
            recorded_time=now_ms,
            repaired_from=to_time if gap.repaired_from is None else gap.repaired_from,
            stitched=gap.stitched,
        )
