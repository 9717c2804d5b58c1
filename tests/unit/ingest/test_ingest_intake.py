"""What finds no room in Kafka's queue: held in its order, and the connection read no further."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from support.eventually import eventually_async
from support.witness import Witness

from cryptostream.ingest.intake import Intake
from cryptostream.ingest.liveness import DEFAULT_LIMITS, Liveness
from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.parse import Source
from cryptostream.ingest.silence import DEFAULT_SILENCE, SilenceWatch

if TYPE_CHECKING:
    from cryptostream.contracts.messages import DeadLetter
    from cryptostream.contracts.trade import Trade

NOW_MS = 1_795_391_000_000


class NarrowSink:
    """Takes so many messages, then none until `open` is called."""

    def __init__(self, room: int) -> None:
        self.taken: list[str] = []
        self._room = room
        self._freed = asyncio.Event()

    def offer_trade(self, trade: Trade) -> bool:
        """Take a trade if there is room."""
        return self._offer(trade.trade_id)

    def offer_dead_letter(self, letter: DeadLetter) -> bool:
        """Take a dead letter if there is room."""
        return self._offer(letter.reason)

    async def room(self) -> None:
        """Wait until somebody opens."""
        self._freed.clear()
        await self._freed.wait()

    def open(self, room: int) -> None:
        """Make room."""
        self._room += room
        self._freed.set()

    def _offer(self, what: str) -> bool:
        if self._room == 0:
            return False
        self._room -= 1
        self.taken.append(what)
        return True


class Tap:
    """Remembers whether it is open."""

    def __init__(self) -> None:
        self.reading = True

    def pause(self) -> None:
        """Close."""
        self.reading = False

    def resume(self) -> None:
        """Open."""
        self.reading = True


def intake(sink: NarrowSink, witness: Witness) -> Intake:
    """Give an intake over the sink."""
    return Intake(
        Source("bybit", "spot", "0/1"),
        sink,  # type: ignore[arg-type]
        Metrics(),
        connection="a0",
        life=Liveness(0.0, DEFAULT_LIMITS),
        observer=witness,
        silence=SilenceWatch(DEFAULT_SILENCE),
        clock=lambda: 0.0,
        wall_ms=lambda: NOW_MS,
    )


def frame(*ids: str) -> bytes:
    """Give a frame of Bybit's with these trades; an empty id makes a bad one."""
    data = [
        {"i": i, "T": NOW_MS, "p": "1", "v": "1", "S": "Buy", "s": "BTCUSDT"} if i else {"i": 1}
        for i in ids
    ]
    return json.dumps({"topic": "publicTrade.BTCUSDT", "ts": NOW_MS, "data": data}).encode()


async def test_what_finds_no_room_is_offered_later_in_its_order() -> None:
    """Nothing overtakes what is held back, dead letters included; reading stops meanwhile."""
    sink, tap = NarrowSink(room=2), Tap()
    taken_in = intake(sink, Witness())
    for raw in (frame("1", "2", "3"), frame("4", ""), frame("5")):
        taken_in.take_trades(raw)
    assert sink.taken == ["1", "2"]
    task = asyncio.create_task(taken_in.relieve(tap))
    await eventually_async(lambda: _equal(tap.reading, other=False), within=5)
    assert taken_in.life.is_blocked
    sink.open(10)
    await eventually_async(lambda: _equal(tap.reading, other=True), within=5)
    assert sink.taken == ["1", "2", "3", "4", "bad_trade_id", "5"]
    assert not taken_in.life.is_blocked
    task.cancel()


async def test_a_session_that_ends_meanwhile_loses_nothing() -> None:
    """The next session offers what the last one held back before anything of its own."""
    sink, tap = NarrowSink(room=1), Tap()
    taken_in = intake(sink, Witness())
    taken_in.take_trades(frame("1", "2"))
    first = asyncio.create_task(taken_in.relieve(tap))
    await eventually_async(lambda: _equal(tap.reading, other=False), within=5)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert not taken_in.life.is_blocked
    taken_in.take_trades(frame("3"))
    second = asyncio.create_task(taken_in.relieve(tap))
    sink.open(5)
    await eventually_async(lambda: _equal(len(sink.taken), other=3), within=5)
    assert sink.taken == ["1", "2", "3"]
    second.cancel()


async def test_trades_held_back_at_the_end_are_told_as_dropped() -> None:
    """A reader that stops says what it received and never offered."""
    witness = Witness()
    taken_in = intake(NarrowSink(room=1), witness)
    taken_in.take_trades(frame("1", "2", "", "3"))
    taken_in.give_up()
    assert witness.of("dropped") == [("BTCUSDT", NOW_MS, NOW_MS, "no_room")] * 2
    taken_in.give_up()
    assert len(witness.of("dropped")) == 2


async def _equal(one: object, *, other: object) -> bool:
    return one == other
