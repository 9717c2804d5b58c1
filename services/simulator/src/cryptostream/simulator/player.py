"""Plays a feed by the clock: each order goes out when it is due, into ledger and hub.

Pure but for its collaborators: the time is an argument, epoch milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.simulator.frames import Fill, trade_messages
from cryptostream.simulator.instruments import Instrument, decimal_text

if TYPE_CHECKING:
    from cryptostream.simulator.hub import Hub
    from cryptostream.simulator.ledger import Ledger
    from cryptostream.simulator.tape import Feed, Tape

#: Orders sent in one go, so that answers and pings get their turn under load.
MAX_ORDERS_PER_RELEASE: Final = 2000
#: Later than this, the schedule moves: a stalled process makes no flood of stale trades.
MAX_BEHIND_MS: Final = 500


class _Reel:
    """A tape as plain lists, which are several times faster to read one by one."""

    def __init__(self, tape: Tape) -> None:
        self.first: list[int] = tape.first.tolist()
        self.offset: list[int] = tape.offset_ms.tolist()
        self.symbol: list[int] = tape.symbol.tolist()
        self.side: list[int] = tape.side.tolist()
        self.seq: list[int] = tape.seq.tolist()
        self.ids: list[int] = tape.trade_id.tolist()
        self.price: list[int] = tape.price.tolist()
        self.size: list[int] = tape.size.tolist()
        self.rpi: list[bool] = tape.rpi.tolist()
        self.at = 0

    @property
    def ended(self) -> bool:
        return self.at == len(self.offset)


class Player:
    """Releases the orders of a feed.

    Attributes:
        finished: the feed has ended and its last order is out.
        behind_ms: by how much the schedule was moved because the process couldn't keep up.
    """

    def __init__(
        self, feed: Feed, instruments: tuple[Instrument, ...], ledger: Ledger, hub: Hub
    ) -> None:
        self._feed, self._instruments = feed, instruments
        self._ledger, self._hub = ledger, hub
        self._reel: _Reel | None = None
        self._start_ms: int | None = None
        self._paused_ms: int | None = None
        self.finished = False
        self.behind_ms = 0

    @property
    def started(self) -> bool:
        """Whether the feed's clock has begun to run."""
        return self._start_ms is not None

    @property
    def paused(self) -> bool:
        """Whether no trades are made for now."""
        return self._paused_ms is not None

    def start(self, now_ms: int) -> None:
        """Let offset 0 be now."""
        self._start_ms = now_ms

    def pause(self, now_ms: int) -> None:
        """Release what is due by now, and then nothing until `resume`."""
        if self.paused:
            return
        while self.release(now_ms) == 0:
            pass
        self._paused_ms = now_ms

    def resume(self, now_ms: int) -> None:
        """Go on where the pause began; the time between is left out of the schedule."""
        if self._paused_ms is not None and self._start_ms is not None:
            self._start_ms += max(0, now_ms - self._paused_ms)
        self._paused_ms = None

    def release(self, now_ms: int) -> int | None:
        """Send the orders that are due, at most `MAX_ORDERS_PER_RELEASE`.

        Gives the milliseconds until the next order, 0 if more are due, or None if nothing is
        to come: not started, paused or finished.
        """
        if self._start_ms is None or self.paused or self.finished:
            return None
        for _ in range(MAX_ORDERS_PER_RELEASE):
            reel = self._load()
            if reel is None:
                self.finished = True
                return None
            due = self._start_ms + reel.offset[reel.at]
            if due > now_ms:
                return due - now_ms
            late = now_ms - due
            if late > MAX_BEHIND_MS:
                self._start_ms += late
                self.behind_ms += late
                due = now_ms
            self._send(reel, due, now_ms)
        return 0

    def _load(self) -> _Reel | None:
        """Give the reel that holds the next order, or None at the feed's end."""
        while self._reel is None or self._reel.ended:
            tape = self._feed.next_tape()
            if tape is None:
                return None
            self._reel = _Reel(tape)
        return self._reel

    def _send(self, reel: _Reel, time_ms: int, now_ms: int) -> None:
        """Enter one order into the ledger and push it to the symbol's subscribers."""
        at = reel.at
        reel.at += 1
        begin, end = reel.first[at], reel.first[at + 1]
        instrument = self._instruments[reel.symbol[at]]
        listened = self._hub.listened(instrument.symbol)
        ids, prices = reel.ids[begin:end], reel.price[begin:end]
        sizes, rpi = reel.size[begin:end], reel.rpi[begin:end]
        began_chunk = self._ledger.books[instrument.symbol].append(
            time_ms=time_ms,
            seq=reel.seq[at],
            side=reel.side[at],
            ids=ids,
            prices=prices,
            sizes=sizes,
            rpi=rpi,
            sent=listened,
        )
        if began_chunk:
            self._ledger.bound()
        if not listened:
            return
        price_decimals, size_decimals = instrument.price_decimals, instrument.size_decimals
        fills = [
            Fill(
                trade_id,
                decimal_text(price, price_decimals),
                decimal_text(size, size_decimals),
                taken_rpi,
            )
            for trade_id, price, size, taken_rpi in zip(ids, prices, sizes, rpi, strict=True)
        ]
        for message in trade_messages(
            instrument.symbol,
            time_ms=time_ms,
            push_ms=now_ms,
            side=reel.side[at],
            seq=reel.seq[at],
            fills=fills,
        ):
            self._hub.publish(instrument.symbol, message.encode())
