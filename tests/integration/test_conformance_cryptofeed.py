"""cryptofeed, an independent client that nobody here changed, over TLS."""

from __future__ import annotations

import asyncio
import json
import ssl
from typing import TYPE_CHECKING, Any

import pytest
from cryptofeed import FeedHandler
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import SPOT, TRADES
from cryptofeed.exchanges import Bybit
from cryptofeed.symbols import Symbols
from support.eventually import eventually_async
from support.servers import free_ports
from support.simulator import RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PAIRS = ["BTC-USDT", "ETH-USDT", "SOL-USDT"]
ENOUGH = 300


@pytest.fixture
def simulator(tmp_path: Path) -> Iterator[RunningSimulator]:
    """Serve three symbols, with TLS beside the plain port."""
    symbols = ",".join(pair.replace("-", "") for pair in PAIRS)
    (tls,) = free_ports(1)
    with running_simulator(
        tmp_path, symbols=symbols, rate=150, tls_port=tls, tls_dir=tmp_path
    ) as running:
        yield running


@pytest.fixture
def feed(simulator: RunningSimulator, tmp_path: Path) -> Iterator[type[Bybit]]:
    """Give cryptofeed's own exchange, told other addresses and which certificate to trust."""
    trust = ssl.create_default_context(cafile=tmp_path / "tls.pem")
    port = _tls_port(simulator)
    spot = WebsocketEndpoint(
        f"wss://localhost:{port}/v5/public/spot",
        instrument_filter=("TYPE", (SPOT,)),
        channel_filter=(Bybit.websocket_channels[TRADES],),
        options={"compression": None, "ssl": trust},
    )
    # Twice, because its parser takes the answers apart wrongly if there is only one.
    instruments = Routes(["/v5/market/instruments-info?category=spot"] * 2)
    rest = RestEndpoint(simulator.http, routes=instruments)

    class Local(Bybit):  # type: ignore[misc]
        """The exchange at its local addresses."""

        websocket_endpoints = [spot]  # noqa: RUF012 - cryptofeed's way
        rest_endpoints = [rest]  # noqa: RUF012 - cryptofeed's way

    Symbols.clear()
    yield Local
    Symbols.clear()


def _tls_port(simulator: RunningSimulator) -> int:
    """Read the port out of the line that the server logs when it starts."""
    for line in simulator.log.read_text().splitlines():
        fields = json.loads(line)
        if "tls_port" in fields:
            return int(fields["tls_port"])
    raise AssertionError(simulator.log.read_text())


async def test_cryptofeed_gets_exactly_the_ledgers_trades_through_a_cut(
    simulator: RunningSimulator, feed: type[Bybit]
) -> None:
    """Before and after a lost connection, every trade of the ledger came once and no other."""
    received: list[tuple[str, ...]] = []

    async def keep(trade: Any, _receipt: float) -> None:
        raw = trade.raw
        received.append(
            (raw["s"], trade.id, raw["p"], raw["v"], trade.side, str(round(trade.timestamp * 1000)))
        )

    handler = FeedHandler({"log": {"disabled": True}, "uvloop": False})
    loop = asyncio.get_running_loop()
    handler.add_feed(feed(symbols=PAIRS, channels=[TRADES], callbacks={TRADES: keep}))
    handler.run(start_loop=False, install_signal_handlers=False)
    try:
        await eventually_async(lambda: _true(len(received) >= ENOUGH), within=60)
        await settle(simulator, received)
        simulator.strike("close", code=1012)
        simulator.post("/simulator/resume")
        before = len(received)
        await eventually_async(lambda: _true(len(received) >= before + ENOUGH), within=60)
        await settle(simulator, received)
    finally:
        await handler.stop_async(loop)
    ledger = [tuple(str(value) for value in row.values()) for row in simulator.ledger()]
    assert sorted(received) == sorted(ledger)


async def settle(simulator: RunningSimulator, received: list[Any]) -> None:
    """Pause the exchange and wait until all that it sent has come."""
    sent = (await asyncio.to_thread(simulator.post, "/simulator/pause"))["sent"]
    await eventually_async(lambda: _true(len(received) >= sent), within=30)


async def _true(value: bool) -> bool:  # noqa: FBT001 - the value is the point
    return value
