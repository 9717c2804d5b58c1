"""The assigner: what it wants from the feeds, and what it lets the roster publish."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from support.eventually import eventually_async

from cryptostream.contracts.messages import Coverage
from cryptostream.ingest.assigner import PROPOSE_SECONDS, Assigner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


class Alone:
    """A roster of one that keeps what is proposed."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self.me = "a"
        self.changed = asyncio.Event()
        self.changed.set()
        self.proposed: dict[str, float] | None = None
        self._weights = weights

    async def run(self) -> None:
        """Never needed."""

    def members(self) -> tuple[str, ...]:
        """Give ourselves."""
        return (self.me,)

    def weights(self) -> Mapping[str, float]:
        """Give what is in force."""
        return self._weights

    def propose(self, weights: Mapping[str, float]) -> None:
        """Keep it."""
        self.proposed = dict(weights)

    async def close(self) -> None:
        """Never needed."""


class Told:
    """Peers with one report, of ours."""

    def reports(self) -> Mapping[str, Coverage]:
        """Give it: a listed symbol, and one that is unknown."""
        rates = {"BTCUSDT": 8.0, "STRANGE": 8.0}
        return {"a": Coverage("bybit", "spot", "a", 0, dict.fromkeys(rates, 0), rates)}

    def receives(self, symbol: str, instance: str) -> bool:
        """Say yes."""
        return bool(symbol and instance)


async def test_what_is_delisted_weighs_nothing_any_more() -> None:
    """Only listed symbols are published, with reports or without; the rest is forgotten."""
    wanted: list[Collection[str]] = []
    roster = Alone({"ETHUSDT": 4.0, "DELISTED": 4.0})
    times = iter(range(0, 1_000_000, int(PROPOSE_SECONDS)))
    assigner = Assigner(roster, Told(), wanted.append, replicas=2, clock=lambda: next(times))
    assigner.list_symbols(["BTCUSDT", "ETHUSDT"])
    running = asyncio.create_task(assigner.run())

    async def proposed() -> bool:
        return roster.proposed is not None

    await eventually_async(proposed, within=10)
    running.cancel()
    await asyncio.wait([running])
    assert roster.proposed == {"BTCUSDT": 8.0, "ETHUSDT": 4.0}
    assert set(wanted[-1]) == {"BTCUSDT", "ETHUSDT"}
