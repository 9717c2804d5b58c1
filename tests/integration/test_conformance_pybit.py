"""pybit, an independent client that nobody here changed, against the simulated exchange."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pybit.unified_trading
import pytest
from pybit.exceptions import InvalidRequestError
from pybit.unified_trading import HTTP, WebSocket
from support.eventually import eventually
from support.simulator import RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]


ENOUGH = 300
#: pybit files a request only after sending it, and its reader dies of an ack that is faster.
#: Over a real network none is; here the exchange takes its time.
ACK_MS = 250


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """Serve three symbols."""
    folder: Path = tmp_path_factory.mktemp("simulator")
    with running_simulator(folder, symbols=",".join(SYMBOLS), rate=300) as running:
        yield running


@pytest.fixture
def http(simulator: RunningSimulator) -> Any:
    """Give pybit's REST client."""
    client = HTTP(testnet=False)
    client.endpoint = simulator.http
    return client


def test_pybit_gets_exactly_the_ledgers_trades_through_a_cut(
    simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after a lost connection, every trade of the ledger came once and no other."""
    url = f"ws://127.0.0.1:{simulator.port}/v5/public/{{CHANNEL_TYPE}}"
    monkeypatch.setattr(pybit.unified_trading, "PUBLIC_WSS", url)
    received: list[tuple[Any, ...]] = []

    def keep(message: dict[str, Any]) -> None:
        received.extend(
            (t["s"], t["i"], t["p"], t["v"], t["S"].lower(), t["T"]) for t in message["data"]
        )

    simulator.strike("late_ack", delay_ms=ACK_MS)
    # Paused, so that no trade comes before pybit has filed the callback.
    simulator.post("/simulator/pause")
    client = WebSocket(channel_type="spot", testnet=False)
    client.trade_stream(symbol=SYMBOLS, callback=keep)
    eventually(lambda: simulator.status()["subscribers"] == 1, within=20)
    simulator.post("/simulator/resume")
    eventually(lambda: len(received) >= ENOUGH, within=60)
    settle(simulator, received)
    simulator.strike("close", code=1012)
    eventually(lambda: simulator.status()["subscribers"] == 1, within=20)
    simulator.post("/simulator/resume")
    before = len(received)
    eventually(lambda: len(received) >= before + ENOUGH, within=60)
    settle(simulator, received)
    client.exit()
    ledger = [tuple(row.values()) for row in simulator.ledger()]
    simulator.delete("/simulator/faults")
    simulator.post("/simulator/resume")
    assert sorted(received) == sorted(ledger)


def settle(simulator: RunningSimulator, received: list[Any]) -> None:
    """Pause the exchange and wait until all that it sent has come."""
    sent = simulator.post("/simulator/pause")["sent"]
    eventually(lambda: len(received) >= sent, within=30)


def test_the_time_is_told(http: Any) -> None:
    """The client pybit reads the server's clock."""
    answer = http.get_server_time()
    assert abs(int(answer["result"]["timeSecond"]) - time.time()) < 60


def test_instruments_are_listed(http: Any) -> None:
    """The client pybit gets every symbol with its steps."""
    rows = http.get_instruments_info(category="spot")["result"]["list"]
    assert [row["symbol"] for row in rows] == SYMBOLS
    assert {row["status"] for row in rows} == {"Trading"}


def test_recent_trades_are_given(http: Any) -> None:
    """The client pybit gets up to 60 recent trades, newest first."""

    def enough() -> bool:
        answer = http.get_public_trade_history(category="spot", symbol="BTCUSDT", limit=60)
        rows = answer["result"]["list"]
        times = [int(row["time"]) for row in rows]
        assert times == sorted(times, reverse=True)
        return len(rows) == 60

    eventually(enough, within=30)


@pytest.mark.parametrize(
    ("interval", "minutes"), [(1, 1), (3, 3), (5, 5), (15, 15), (30, 30), (60, 60), ("D", 1440)]
)
def test_klines_are_given(http: Any, interval: int | str, minutes: int) -> None:
    """The client pybit gets klines of each interval whose parts fit together."""

    def rows() -> list[list[str]]:
        answer = http.get_kline(category="spot", symbol="BTCUSDT", interval=interval, limit=5)
        return list(answer["result"]["list"])

    for row in eventually(rows, within=30):
        start, opened, high, low, close, volume, turnover = map(float, row)
        assert start % (minutes * 60_000) == 0
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert low * volume <= turnover * 1.000001 <= high * volume * 1.00001


def test_wrong_parameters_raise_in_pybit(http: Any) -> None:
    """The client pybit understands the error codes."""
    with pytest.raises(InvalidRequestError, match="symbol invalid"):
        http.get_kline(category="spot", symbol="NOPEUSDT", interval=1)
