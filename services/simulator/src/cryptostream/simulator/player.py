"""Plays a feed by the clock: each order goes out when it is due.

Pure but for its collaborators: the time is an argument, epoch milliseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.simulator.tape import Order

if TYPE_CHECKING:
    from cryptostream.simulator.instruments import Instrument
    from cryptostream.simulator.outlet import Outlet
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

    def take(self, time_ms: int) -> Order:
        """Give the next order with its time, and go on to the one after it."""
        at = self.at
        self.at += 1
        begin, end = self.first[at], self.first[at + 1]
        return Order(
            time_ms=time_ms,
            seq=self.seq[at],
            side=self.side[at],
            ids=self.ids[begin:end],
            prices=self.price[begin:end],
            sizes=self.size[begin:end],
            rpi=self.rpi[begin:end],
        )


class Player:
    """Releases the orders of a feed.

    Attributes:
        finished: the feed has ended and its last order is out.
        behind_ms: by how much the schedule was moved because the process couldn't keep up.
    """

    def __init__(self, feed: Feed, instruments: tuple[Instrument, ...], outlet: Outlet) -> None:
        self._feed, self._instruments, self._outlet = feed, instruments, outlet
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
            instrument = self._instruments[reel.symbol[reel.at]]
            self._outlet.send(instrument, reel.take(due), now_ms)
        return 0

    def _load(self) -> _Reel | None:
        """Give the reel that holds the next order, or None at the feed's end."""
        while self._reel is None or self._reel.ended:
            tape = self._feed.next_tape()
            if tape is None:
                return None
            self._reel = _Reel(tape)
        return self._reel


class Ensemble:
    """A player and those of the symbols that were listed later, which share its clock.

    `finished` and `started` are those of the first.
    """

    def __init__(self, first: Player) -> None:
        self._first = first
        self._players = [first]

    @property
    def started(self) -> bool:
        """Whether the clock has begun to run."""
        return self._first.started

    @property
    def paused(self) -> bool:
        """Whether no trades are made for now."""
        return self._first.paused

    @property
    def finished(self) -> bool:
        """Whether the first feed has ended."""
        return self._first.finished

    @property
    def behind_ms(self) -> int:
        """By how much schedules were moved because the process couldn't keep up."""
        return max(player.behind_ms for player in self._players)

    def join(self, player: Player, now_ms: int) -> None:
        """Let one more player play from now on."""
        player.start(now_ms)
        if self.paused:
            player.pause(now_ms)
        self._players.append(player)

    def start(self, now_ms: int) -> None:
        """Let offset 0 of the first feed be now."""
        self._first.start(now_ms)

    def pause(self, now_ms: int) -> None:
        """Release what is due by now, and then nothing until `resume`."""
        for player in self._players:
            player.pause(now_ms)

    def resume(self, now_ms: int) -> None:
        """Go on where the pause began."""
        for player in self._players:
            player.resume(now_ms)

    def release(self, now_ms: int) -> int | None:
        """Send what is due; give the milliseconds until the next order, None if there is none."""
        waits = [player.release(now_ms) for player in self._players]
        return min((wait for wait in waits if wait is not None), default=None)
