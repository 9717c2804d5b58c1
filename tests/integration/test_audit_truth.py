"""The truth meter between the simulated exchange and a real Elasticsearch."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.request
import uuid
from collections import Counter, defaultdict
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from elasticsearch import Elasticsearch
from support.documents import candle, write
from support.eventually import eventually
from support.servers import free_ports
from support.simulator import RunningSimulator, running_simulator

from cryptostream.audit.candles import Candles
from cryptostream.audit.compare import Result, Tally
from cryptostream.audit.dumps import Dumps
from cryptostream.audit.klines import Exchange
from cryptostream.audit.meter import Meter
from cryptostream.audit.model import MINUTE_MS, Key, Row
from cryptostream.audit.settings import AuditSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]


@pytest.fixture(scope="module")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """Give an exchange that has traded for a moment and then pauses."""
    folder = tmp_path_factory.mktemp("market")
    with running_simulator(folder, symbols=",".join(SYMBOLS), rate=200, seed=3) as simulator:
        eventually(lambda: all(len(traded(simulator, one)) >= 30 for one in SYMBOLS), within=60)
        simulator.post("/simulator/pause")
        yield simulator


def traded(simulator: RunningSimulator, symbol: str) -> list[Row]:
    """Give what the exchange's dumps say of today, and of yesterday if it has just begun."""
    served = Dumps(simulator.http, max_rows=1_000_000)
    today = datetime.now(UTC).date()
    days = (today - timedelta(days=1), today)
    return [row for day in days for row in served.rows(symbol, day) or []]


def bars(simulator: RunningSimulator, exchange: str) -> list[dict[str, Any]]:
    """Compute the documents of the exchange's minutes from its dumps, the plain way."""
    groups: dict[tuple[str, int], list[Key]] = defaultdict(list)
    for symbol in SYMBOLS:
        for row in traded(simulator, symbol):
            groups[symbol, row.key.time // MINUTE_MS * MINUTE_MS].append(row.key)
    return [
        _candle(symbol, start, keys) | {"exchange": exchange}
        for (symbol, start), keys in groups.items()
    ]


def _candle(symbol: str, start: int, keys: list[Key]) -> dict[str, Any]:
    prices = [key.price for key in keys]
    return candle(
        symbol,
        "1m",
        start,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(key.size for key in keys),
        turnover=sum(key.price * key.size for key in keys),
        trades=len(keys),
    )


class Clock:
    """A clock that the test sets; it begins two minutes ago."""

    def __init__(self) -> None:
        self.ms = time.time_ns() // 1_000_000 - 2 * MINUTE_MS

    def __call__(self) -> int:
        """Give the time."""
        return self.ms


def meter_of(url: str, rest: str, exchange: str, clock: Clock, symbols: str = "") -> Meter:
    """Make a meter whose minutes settle at once."""
    settings = AuditSettings(rest_url=rest, exchange=exchange, symbols=symbols, settle_seconds=0)
    candles = Candles(Elasticsearch(url), exchange, "spot")
    return Meter(settings, candles, Exchange(rest, "spot"), clock_ms=clock)


def counts(tallies: Mapping[int, Tally]) -> Counter[Result]:
    """Add up the results of all minutes."""
    total: Counter[Result] = Counter()
    for tally in tallies.values():
        total += tally.results
    return total


def test_true_candles_match_and_false_ones_are_named(
    market: RunningSimulator, elasticsearch_url: str
) -> None:
    """A wrong close and a missing candle are found, beside minutes that match and quiet ones."""
    exchange = f"x{uuid.uuid4().hex[:8]}"
    documents = bars(market, exchange)
    for document in documents:
        if document["symbol"] == "ETHUSDT":
            document["close"] *= 1.001
    write(elasticsearch_url, [one for one in documents if one["symbol"] != "SOLUSDT"])
    clock = Clock()
    meter = meter_of(elasticsearch_url, market.http, exchange, clock)
    clock.ms += 6 * MINUTE_MS
    tallies = meter.round(Event())
    assert meter.is_ready()
    total = counts(tallies)
    by_symbol = Counter(str(document["symbol"]) for document in documents)
    assert total[Result.MATCH] == by_symbol["BTCUSDT"]
    assert total[Result.DIVERGED] == by_symbol["ETHUSDT"]
    assert total[Result.MISS] == by_symbol["SOLUSDT"]
    assert total[Result.EXTRA] == 0
    assert total[Result.QUIET] > 0
    wrong = {(name, one.field) for tally in tallies.values() for name, one in tally.worst.items()
             if one.result is not Result.MATCH}  # fmt: skip
    assert wrong == {("ETHUSDT", "close"), ("SOLUSDT", "volume")}
    stored = stored_truth(elasticsearch_url, exchange)
    assert {one["start"] for one in stored} == set(tallies)
    assert sum(one["miss"] for one in stored) == total[Result.MISS]
    assert all(one.get("share", 1) in {1, 1 / 3} for one in stored)


def stored_truth(url: str, exchange: str) -> list[dict[str, Any]]:
    """Give the meter's documents."""
    client = Elasticsearch(url)
    client.indices.refresh(index="crypto-truth-*")
    query = {"term": {"exchange": exchange}}
    hits = client.search(index="crypto-truth-*", query=query, size=1_000)["hits"]["hits"]
    return [hit["_source"] for hit in hits]


def test_an_exchange_that_is_away_costs_no_minute(
    market: RunningSimulator, elasticsearch_url: str
) -> None:
    """Minutes that could not be asked for are compared in a later round."""
    exchange = f"x{uuid.uuid4().hex[:8]}"
    documents = [one for one in bars(market, exchange) if one["symbol"] == "BTCUSDT"]
    write(elasticsearch_url, documents)
    clock = Clock()
    meter = meter_of(elasticsearch_url, market.http, exchange, clock, "BTCUSDT")
    there = meter._exchange
    (closed,) = free_ports(1)
    meter._exchange = Exchange(f"http://127.0.0.1:{closed}", "spot")
    clock.ms += 6 * MINUTE_MS
    assert meter.round(Event()) == {}
    meter._exchange = there
    clock.ms += MINUTE_MS
    assert counts(meter.round(Event()))[Result.MATCH] == len(documents)


def test_the_process_serves_its_health_and_stops_cleanly(
    market: RunningSimulator, elasticsearch_url: str, tmp_path: Path
) -> None:
    """It gets ready by its first round, shows metrics, and SIGTERM ends it with status 0."""
    (port,) = free_ports(1)
    env = os.environ | {
        "AUDIT_REST_URL": market.http,
        "AUDIT_EXCHANGE": f"x{uuid.uuid4().hex[:8]}",
        "AUDIT_METRICS_PORT": str(port),
        "ELASTICSEARCH_URL": elasticsearch_url,
    }
    with (tmp_path / "audit.log").open("wb") as log:
        command = [sys.executable, "-m", "cryptostream.audit", "truth"]
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        eventually(lambda: get(port, "/readyz") == "ok\n", within=60, poll=0.2)
        assert get(port, "/livez") == "ok\n"
        assert "cryptostream_audit_minutes_total" in get(port, "/metrics")
        process.terminate()
        assert process.wait(15) == 0, (tmp_path / "audit.log").read_text()
    finally:
        process.kill()


def get(port: int, path: str) -> str:
    """Get a path of the process; nothing if it does not answer well."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return str(answer.read().decode())
    except OSError:
        return ""


@pytest.mark.parametrize("name", ["AUDIT_REST_URL", "AUDIT_PER_MINUTE"])
def test_bad_settings_are_named(name: str) -> None:
    """A value that can't be used ends the process with status 2 and one line."""
    command = [sys.executable, "-m", "cryptostream.audit", "truth"]
    ended = subprocess.run(
        command,
        env=os.environ | {name: "none"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert name in ended.stderr
    assert ended.stderr.count("\n") == 1
