"""ccxt pro, an independent client that nobody here changed, against the simulated exchange."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import ccxt.pro
import pytest
from support.eventually import eventually_async
from support.simulator import RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

PAIRS = ["BTC/USDT", "ETH/USDT", "SOL/USDT"]
TRADES = 300


@pytest.fixture
def simulator(tmp_path: Any) -> Iterator[RunningSimulator]:
    """Serve three symbols."""
    symbols = ",".join(pair.replace("/", "") for pair in PAIRS)
    with running_simulator(tmp_path, symbols=symbols, rate=150) as running:
        yield running


@pytest.fixture
async def exchange(simulator: RunningSimulator) -> AsyncIterator[Any]:
    """Give ccxt's client, told other addresses and nothing else."""
    options = {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}}
    client = ccxt.pro.bybit({"options": options, "newUpdates": True})
    rest = client.urls["api"]
    for name, value in rest.items():
        if isinstance(value, str):
            rest[name] = simulator.http
    rest["ws"]["public"]["spot"] = simulator.websocket
    yield client
    await client.close()


async def keep_watching(exchange: Any, into: list[tuple[str, ...]]) -> None:
    """Collect trades as ccxt's manual says: watch, and watch again after a network error."""
    while True:
        try:
            trades = await exchange.watch_trades_for_symbols(PAIRS)
        except ccxt.NetworkError:
            continue
        into.extend(
            (raw["s"], raw["i"], raw["p"], raw["v"], raw["S"].lower(), str(raw["T"]))
            for raw in (trade["info"] for trade in trades)
        )


async def test_ccxt_gets_exactly_the_ledgers_trades_through_a_cut(
    simulator: RunningSimulator, exchange: Any
) -> None:
    """Before and after a lost connection, every trade of the ledger came once and no other."""
    assert set(await exchange.load_markets()) == set(PAIRS)
    received: list[tuple[str, ...]] = []
    watching = asyncio.create_task(keep_watching(exchange, received))
    try:
        await eventually_async(lambda: _true(len(received) >= TRADES), within=60)
        # The pause lets the client take what it has before the line is cut.
        await settle(simulator, received)
        simulator.strike("close", code=1012)
        simulator.post("/simulator/resume")
        before = len(received)
        await eventually_async(lambda: _true(len(received) >= before + TRADES), within=60)
        await settle(simulator, received)
    finally:
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)
    ledger = [tuple(str(value) for value in row.values()) for row in simulator.ledger()]
    assert sorted(received) == sorted(ledger)


async def settle(simulator: RunningSimulator, received: list[Any]) -> None:
    """Pause the exchange and wait until all that it sent has come."""
    sent = (await asyncio.to_thread(simulator.post, "/simulator/pause"))["sent"]
    await eventually_async(lambda: _true(len(received) >= sent), within=30)


async def _true(value: bool) -> bool:  # noqa: FBT001 - the value is the point
    return value
