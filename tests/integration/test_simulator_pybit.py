"""pybit, an independent client, against the simulated exchange."""

from __future__ import annotations

import threading
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


class PatientWebSocket(WebSocket):  # type: ignore[misc]
    """pybit's client without its race: it files a request only after sending it.

    On a machine of its own the answer can be faster, and pybit's reader then dies of a KeyError.
    """

    def _process_subscription_message(self, message: dict[str, Any]) -> None:
        eventually(lambda: message["req_id"] in self.subscriptions, within=10)
        super()._process_subscription_message(message)


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


def test_the_websocket_gets_exactly_the_ledgers_trades(
    simulator: RunningSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every trade in the ledger reached pybit's callback once, with all its fields."""
    url = f"ws://127.0.0.1:{simulator.port}/v5/public/{{CHANNEL_TYPE}}"
    monkeypatch.setattr(pybit.unified_trading, "PUBLIC_WSS", url)
    received: list[dict[str, Any]] = []
    lock = threading.Lock()

    def keep(message: dict[str, Any]) -> None:
        with lock:
            received.extend(message["data"])

    # Paused, so that no trade comes before pybit has filed the callback.
    simulator.post("/simulator/pause")
    client = PatientWebSocket(channel_type="spot", testnet=False)
    client.trade_stream(symbol=SYMBOLS, callback=keep)
    eventually(lambda: simulator.status()["subscribers"] == 1, within=20)
    simulator.post("/simulator/resume")
    eventually(lambda: len(received) >= 500, within=60)
    sent = simulator.post("/simulator/pause")["sent"]
    eventually(lambda: len(received) >= sent, within=20)
    client.exit()
    ledger = sorted(tuple(row.values()) for row in simulator.ledger())
    simulator.post("/simulator/resume")
    trades = sorted((t["s"], t["i"], t["p"], t["v"], t["S"].lower(), t["T"]) for t in received)
    assert trades == ledger


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


def test_klines_are_given(http: Any) -> None:
    """The client pybit gets one-minute klines whose parts fit together."""

    def rows() -> list[list[str]]:
        answer = http.get_kline(category="spot", symbol="BTCUSDT", interval=1, limit=5)
        return list(answer["result"]["list"])

    for row in eventually(rows, within=30):
        start, opened, high, low, close, volume, turnover = map(float, row)
        assert start % 60_000 == 0
        assert low <= min(opened, close) <= max(opened, close) <= high
        assert low * volume <= turnover * 1.000001 <= high * volume * 1.00001


def test_wrong_parameters_raise_in_pybit(http: Any) -> None:
    """The client pybit understands the error codes."""
    with pytest.raises(InvalidRequestError, match="symbol invalid"):
        http.get_kline(category="spot", symbol="NOPEUSDT", interval=1)
