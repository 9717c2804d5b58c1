"""The player and the hub: what is due goes out once, to whoever listens, within bounds."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

import numpy as np

from cryptostream.simulator.hub import Hub, Subscriber
from cryptostream.simulator.instruments import UNIVERSE
from cryptostream.simulator.ledger import Ledger
from cryptostream.simulator.outlet import Outlet
from cryptostream.simulator.player import MAX_BEHIND_MS, MAX_ORDERS_PER_RELEASE, Player
from cryptostream.simulator.protocol import Session
from cryptostream.simulator.tape import Tape
from cryptostream.simulator.turmoil import Turmoil

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Sequence

START = 1_795_305_600_000
SYMBOLS = ("BTCUSDT", "ETHUSDT")


class Pipe:
    """A transport that keeps what is written, and claims `unread` bytes not to be taken."""

    def __init__(self, unread: int = 0) -> None:
        self.written = bytearray()
        self.writes = 0
        self.unread = unread
        self.closed = False

    def write(self, data: bytes) -> None:
        """Take data."""
        self.written += data
        self.writes += 1

    def get_write_buffer_size(self) -> int:
        """Tell what was not taken yet."""
        return self.unread

    def is_closing(self) -> bool:
        """Tell whether it was cut off."""
        return self.closed

    def abort(self) -> None:
        """Cut off."""
        self.closed = True


class Orders:
    """A feed of single-fill orders at given offsets, alternating between two symbols."""

    def __init__(self, offsets: Sequence[int], fills: int = 1) -> None:
        count = len(offsets)
        ones = np.ones(count, dtype=np.int64)
        rows = count * fills
        self._tapes = [
            Tape(
                first=np.arange(count + 1) * fills,
                offset_ms=np.array(offsets, dtype=np.int64),
                symbol=np.arange(count) % 2,
                side=ones,
                seq=np.arange(count),
                trade_id=np.arange(rows),
                price=np.full(rows, 826_800),
                size=np.full(rows, 10),
                rpi=np.zeros(rows, dtype=np.bool_),
            )
        ]

    def next_tape(self) -> Tape | None:
        """Give the one tape, then None."""
        return self._tapes.pop() if self._tapes else None


class World:
    """A player with its ledger and hub."""

    def __init__(self, offsets: Sequence[int], *, fills: int = 1) -> None:
        self.instruments = UNIVERSE[:2]
        self.ledger = Ledger(self.instruments, max_trades=100_000)
        self.hub = Hub(send_buffer_bytes=1000)
        self.turmoil = Turmoil(self.hub, seed=1)
        self.outlet = Outlet(self.ledger, self.hub, self.turmoil)
        self.player = Player(Orders(offsets, fills), self.instruments, self.outlet)

    def listen(self, *symbols: str, unread: int = 0) -> Pipe:
        """Connect a subscriber of the symbols."""
        pipe = Pipe(unread)
        subscriber = Subscriber(Session("c"), cast("asyncio.Transport", pipe))
        self.hub.join(subscriber)
        self.hub.add(subscriber, tuple(f"publicTrade.{symbol}" for symbol in symbols))
        return pipe

    def play(self, now_ms: int) -> int | None:
        """Release what is due at a time after the start, and flush."""
        wait = self.player.release(START + now_ms)
        self.hub.flush()
        return wait


def ids(pipe: Pipe) -> list[int]:
    """Read the trade ids out of the frames written to a pipe."""
    data, found = bytes(pipe.written), []
    while data:
        assert data[0] == 0x81
        size, skip = data[1], 2
        if size == 126:
            size, skip = int.from_bytes(data[2:4], "big"), 4
        elif size == 127:
            size, skip = int.from_bytes(data[2:10], "big"), 10
        message = json.loads(data[skip : skip + size])
        found += [int(trade["i"]) for trade in message["data"]]
        data = data[skip + size :]
    return found


def test_orders_go_out_when_they_are_due() -> None:
    """Each release sends exactly the orders up to now, and tells the wait for the next."""
    world = World([0, 10, 10, 50])
    pipe = world.listen(*SYMBOLS)
    assert world.play(0) is None, "the clock has not begun to run"
    world.player.start(START)
    assert (world.play(5), ids(pipe)) == (5, [0])
    assert (world.play(10), ids(pipe)) == (40, [0, 1, 2])
    assert (world.play(60), ids(pipe)) == (None, [0, 1, 2, 3])
    assert world.player.finished


def test_times_are_those_of_the_schedule() -> None:
    """A trade has its due time even if it is pushed some milliseconds later."""
    world = World([7])
    world.listen(*SYMBOLS)
    world.player.start(START)
    world.play(9)
    assert world.ledger.books["BTCUSDT"].newest(1)[0].time_ms == START + 7


def test_each_hears_its_own_symbols() -> None:
    """A subscriber gets the symbols it asked for, in order and in one write."""
    world = World([0, 1, 2, 3])
    both, one, none = world.listen(*SYMBOLS), world.listen("ETHUSDT"), world.listen()
    world.player.start(START)
    world.play(5)
    assert (ids(both), ids(one), ids(none)) == ([0, 1, 2, 3], [1, 3], [])
    assert both.writes == 1


def test_the_ledger_counts_what_somebody_heard() -> None:
    """A symbol without subscriber is traded, but its trades are not `sent`."""
    world = World([0, 1, 2, 3])
    world.listen("ETHUSDT")
    world.player.start(START)
    world.play(5)
    assert (world.ledger.made, world.ledger.sent) == (4, 2)
    assert world.ledger.books["BTCUSDT"].sent == 0


def test_a_slow_reader_is_cut_off_and_counted() -> None:
    """Who leaves more than the buffer unread is disconnected, and the others aren't."""
    world = World([0, 10])
    slow, good = world.listen(*SYMBOLS, unread=1001), world.listen(*SYMBOLS, unread=1000)
    world.player.start(START)
    world.play(5)
    world.play(15)
    assert (slow.closed, good.closed, world.hub.slow_readers) == (True, False, 1)
    assert (ids(slow), ids(good)) == ([0], [0, 1])


def test_nobody_alive_means_not_sent() -> None:
    """Trades made after the only reader was cut off are not in the ledger's sent ones."""
    world = World([0, 10])
    world.listen(*SYMBOLS, unread=1001)
    world.player.start(START)
    world.play(5)
    world.play(15)
    assert (world.ledger.made, world.ledger.sent) == (2, 1)


def test_a_pause_flushes_and_shifts_the_rest() -> None:
    """What is due at the pause goes out; the pause's length is left out of the schedule."""
    world = World([0, 10, 20])
    pipe = world.listen(*SYMBOLS)
    world.player.start(START)
    world.player.pause(START + 12)
    world.hub.flush()
    assert (ids(pipe), world.play(10_000), world.player.paused) == ([0, 1], None, True)
    world.player.resume(START + 100_012)
    assert (world.play(100_015), ids(pipe)) == (5, [0, 1])
    world.play(100_020)
    assert ids(pipe) == [0, 1, 2]


def test_a_pause_before_the_start_holds() -> None:
    """A player that is paused before its clock runs makes nothing until it is resumed."""
    world = World([0])
    world.listen(*SYMBOLS)
    world.player.pause(START)
    world.player.start(START + 5)
    assert world.play(10) is None
    world.player.resume(START + 20)
    assert not world.player.finished
    world.play(40)
    assert world.ledger.sent == 1


def test_a_stall_moves_the_schedule() -> None:
    """After a stall the next order is made now, the rest keeps its distance, the loss is told."""
    world = World([0, 5, 100])
    world.listen(*SYMBOLS)
    world.player.start(START)
    late = MAX_BEHIND_MS + 1_000
    assert world.play(late) == 5
    assert world.ledger.books["BTCUSDT"].newest(1)[0].time_ms == START + late
    assert world.play(late + 5) == 95
    assert world.player.behind_ms == late


def test_a_release_is_bounded() -> None:
    """However much is due, one release sends a bounded number and says that more is due."""
    world = World([0] * (MAX_ORDERS_PER_RELEASE + 1))
    world.player.start(START)
    assert world.play(1) == 0
    assert world.ledger.made == MAX_ORDERS_PER_RELEASE
    world.play(1)
    assert world.ledger.made == MAX_ORDERS_PER_RELEASE + 1


def test_a_match_of_3000_fills_reaches_the_reader_whole() -> None:
    """An order beyond 1024 fills is split into frames, and no fill is missing."""
    world = World([0], fills=3_000)
    pipe = world.listen(*SYMBOLS)
    world.player.start(START)
    world.play(1)
    assert ids(pipe) == list(range(3_000))


def test_leaving_frees_the_symbols() -> None:
    """A connection that ends is no subscriber any more."""
    world = World([0])
    world.listen(*SYMBOLS)
    (subscriber,) = world.hub._subscribers
    world.hub.leave(subscriber)
    assert not world.hub.listened("BTCUSDT")
    assert (world.hub.connections, world.hub.subscribers()) == (0, 0)
