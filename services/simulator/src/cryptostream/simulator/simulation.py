"""What one simulated exchange consists of, and how it is put together."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from cryptostream.simulator.gate import Gate
from cryptostream.simulator.hub import Hub
from cryptostream.simulator.instruments import Instrument, choose_instruments
from cryptostream.simulator.ledger import Ledger
from cryptostream.simulator.market import Market
from cryptostream.simulator.outlet import Outlet
from cryptostream.simulator.player import Ensemble, Player
from cryptostream.simulator.protocol import Limits
from cryptostream.simulator.replay import Replay, read_dumps, replay_instruments
from cryptostream.simulator.turmoil import Turmoil

if TYPE_CHECKING:
    from cryptostream.simulator.faults import Fault, Step
    from cryptostream.simulator.settings import SimulatorSettings
    from cryptostream.simulator.tape import Feed

#: A sweep without a number is a little more than two full frames.
SWEEP_FILLS: Final = 2100


@dataclass(frozen=True, slots=True)
class Simulation:
    """The parts that the server serves."""

    mode: Literal["market", "replay"]
    seed: int
    start_grace_seconds: float
    ledger: Ledger
    hub: Hub
    player: Ensemble
    turmoil: Turmoil
    outlet: Outlet
    gate: Gate
    limits: Limits = field(default_factory=Limits)

    def strike(self, fault: Fault, now_ms: int) -> int | None:
        """Let a fault act; give its number, or None for a sweep that can't be made.

        A replay's ids are those of its files, so there no sweep can take any.
        """
        if fault.kind != "sweep":
            return self.turmoil.begin(fault, now_ms)
        book = self.ledger.listed.get(fault.symbols[0] if fault.symbols else "")
        if book is None or self.mode != "market":
            return None
        if not self.outlet.sweep(book.instrument, fault.count or SWEEP_FILLS, now_ms):
            return None
        self.hub.flush()
        return self.turmoil.begin(fault, now_ms)

    def enlist(self, instrument: Instrument, rate: float, now_ms: int) -> None:
        """Trade an instrument from now on; one that was traded before comes back as it was."""
        if not self.ledger.enlist(instrument):
            return
        market = Market((instrument,), rate=rate, seed=self.seed, start_ms=now_ms)
        self.player.join(Player(market, (instrument,), self.outlet), now_ms)


def build(settings: SimulatorSettings, script: list[Step]) -> Simulation:
    """Build what is served; recorded files are read and checked here, before a port is open."""
    instruments, feed = _feed(settings, now_ms())
    ledger, hub = Ledger(instruments, settings.ledger_max), Hub(settings.send_buffer_bytes)
    turmoil = Turmoil(hub, settings.seed, script)
    outlet = Outlet(ledger, hub, turmoil)
    return Simulation(
        mode="replay" if settings.paths else "market",
        seed=settings.seed,
        start_grace_seconds=settings.start_grace_seconds,
        ledger=ledger,
        hub=hub,
        player=Ensemble(Player(feed, instruments, outlet)),
        turmoil=turmoil,
        outlet=outlet,
        gate=Gate(settings.budget),
        limits=Limits(settings.max_args, settings.max_topic_chars),
    )


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _feed(settings: SimulatorSettings, start_ms: int) -> tuple[tuple[Instrument, ...], Feed]:
    """Choose between recorded trades and the market model."""
    if settings.paths:
        dumps = read_dumps(settings.paths, settings.names)
        instruments = replay_instruments(dumps)
        return instruments, Replay(
            dumps, instruments, speed=settings.speed, seed=settings.seed, start_ms=start_ms
        )
    instruments = choose_instruments(settings.names)
    return instruments, Market(
        instruments,
        rate=settings.rate,
        speed=settings.speed,
        seed=settings.seed,
        start_ms=start_ms,
        impact=settings.impact,
    )
