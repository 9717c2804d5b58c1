"""The stream through kills, wrong clocks and lost indices: nothing lost, nothing twice.

Run by `make drill-stream`, with the bad days of Elasticsearch (`test_stream_drills_search.py`).
`DRILL_KILLS` (20) is the number of kills. The letters are those of docs/stream.md.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import TYPE_CHECKING

import msgspec
import pytest
from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.search_proxy import SearchProxy, search_proxy, well
from support.stream import StreamProcess, running_stream
from support.stream_drill import DRAIN_SECONDS, check
from support.stream_truth import documents, expected_candles, ids, make_trades

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from support.search_proxy import Answer, Fault, Forward

    from cryptostream.contracts.trade import Trade

pytestmark = [pytest.mark.drill, pytest.mark.timeout(3_600)]

KILLS = int(os.environ.get("DRILL_KILLS", "20"))
EXECUTOR_KILLS = 5
#: From a start after a kill to the first batch that Spark commits.
RESTART_SECONDS = 60
SLICE = 300
#: Executors in JVMs of their own, as in a cluster.
CLUSTER = """
spark.master             local-cluster[2,1,768]
spark.driver.host        127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.executor.memory    512m
"""


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[tuple[SearchProxy, str]]:
    """Give a proxy before the session's Elasticsearch, and its URL."""
    with search_proxy(elasticsearch_url) as running:
        yield running


@pytest.fixture(params=["driver"])
def stream(
    request: pytest.FixtureRequest,
    kafka_bootstrap: str,
    proxy: tuple[SearchProxy, str],
    tmp_path: Path,
) -> Iterator[StreamProcess]:
    """Give a running stream that writes through the proxy."""
    settings = {"STREAM_PLACEMENT": request.param}
    if request.param == "cluster":
        (tmp_path / "spark-defaults.conf").write_text(CLUSTER)
        settings = {
            "STREAM_PLACEMENT": "executors",
            "STREAM_MASTER": "defaults",
            "SPARK_CONF_DIR": str(tmp_path),
            "SPARK_LOCAL_IP": "127.0.0.1",
        }
    with running_stream(kafka_bootstrap, proxy[1], tmp_path, settings=settings) as process:
        yield process


@pytest.fixture
def client(elasticsearch_url: str) -> Elasticsearch:
    """Give a client of the session's Elasticsearch."""
    return Elasticsearch(elasticsearch_url, request_timeout=60)


def _commits(stream: StreamProcess) -> int:
    """Give the newest batch that Spark has committed."""
    names = (stream.folder / "checkpoint").glob("*/trades/commits/*")
    return max((int(one.name) for one in names if one.name.isdecimal()), default=-1)


def _killing(proxy: SearchProxy, kill: Callable[[], object], *, applied: bool) -> Fault:
    """Kill at the next bulk of trades, before or after it is applied; once."""

    def fault(body: bytes, forward: Forward) -> Answer:
        if b'{"create"' not in body:
            return forward(body)
        if applied:
            forward(body)
        proxy.fault = well
        kill()
        raise ConnectionAbortedError

    return fault


def _kill(stream: StreamProcess, proxy: SearchProxy, point: str, trades: Sequence[Trade]) -> None:
    """Let trades come, and kill the stream at a point of settling them."""
    assert stream.process is not None
    if point in {"before the bulk", "after the bulk"}:
        proxy.fault = _killing(proxy, stream.process.kill, applied=point == "after the bulk")
        stream.produce(trades)
        stream.process.wait(120)
        return
    before = _commits(stream)
    stream.produce(trades)
    if point == "after the commit":
        eventually(lambda: _commits(stream) > before, within=120, poll=0.002)
    else:
        deadline = time.monotonic() + random.Random(len(trades) + before).uniform(0, 2)
        eventually(lambda: time.monotonic() > deadline, within=10, poll=0.01)
    stream.process.kill()
    stream.process.wait(60)


@pytest.mark.parametrize("stream", ["driver", "executors"], indirect=True)
def test_kills_lose_and_double_nothing(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch
) -> None:
    """F5: after every kill -9, at named points and at random, it goes on as if nothing happened."""
    points = ("before the bulk", "after the bulk", "after the commit", "at random")
    trades = make_trades(stream.exchange, SLICE * (KILLS + 1))
    for number in range(KILLS):
        part = trades[number * SLICE : (number + 1) * SLICE]
        point = points[number % len(points)]
        _kill(stream, proxy[0], point, part)
        started, committed = time.monotonic(), _commits(stream)
        stream.start()
        if point != "after the commit":
            eventually(lambda was=committed: _commits(stream) > was or stream.drained(), within=180)
        took = time.monotonic() - started
        sys.stdout.write(f"kill {number + 1}, {point}: first commit after {took:.1f} s\n")
        assert took <= RESTART_SECONDS
    stream.produce(trades[KILLS * SLICE :])
    check(client, stream, trades)


@pytest.mark.parametrize("stream", ["cluster"], indirect=True)
def test_killed_executors_lose_and_double_nothing(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch
) -> None:
    """F6: Spark runs again what they had at hand; the driver goes on, and counts trades once."""
    trades = make_trades(stream.exchange, SLICE * (EXECUTOR_KILLS + 1))
    killed: list[int] = []

    def kill() -> None:
        killed.append(stream.kill_children("CoarseGrainedExecutorBackend"))

    for number in range(EXECUTOR_KILLS):
        proxy[0].fault = _killing(proxy[0], kill, applied=number % 2 == 0)
        stream.produce(trades[number * SLICE : (number + 1) * SLICE])
        eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    stream.produce(trades[EXECUTOR_KILLS * SLICE :])
    check(client, stream, trades)
    assert len(killed) == EXECUTOR_KILLS
    assert all(killed)
    assert sum(stream.metric("trades_total").values()) == len(trades)


def test_skewed_and_shuffled_trades_stop_nothing(
    stream: StreamProcess, client: Elasticsearch
) -> None:
    """F15: trades out of order, and with clocks five minutes off.

    Each is one document, the candles that are kept that long have all of them, and a time that is
    no number (a leap second, a local time) is a dead letter.
    """
    rng = random.Random(2)
    trades = [
        msgspec.structs.replace(one, trade_time=one.trade_time + rng.choice(_SKEWS_MS))
        for one in make_trades(stream.exchange, 1_000)
    ]
    fields = msgspec.to_builtins(trades[0])
    words = [msgspec.json.encode({**fields, "trade_time": one}) for one in _TIMES_IN_WORDS]
    rng.shuffle(trades)
    stream.produce(trades, raw=words)
    eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    assert documents(client, "trades", stream.exchange).keys() == ids(trades)
    assert stream.metric("dead_letters_total") == {("bad_trade",): len(words)}
    found = documents(client, "candles", stream.exchange)
    for identity, wanted in expected_candles(sorted(trades, key=_told_order)).items():
        if any(f":{interval}:" in identity for interval in ("15m", "1h")):
            told = {name: found[identity][name] for name in _ORDERLESS}
            assert told == pytest.approx({name: wanted[name] for name in _ORDERLESS}), identity


def _told_order(trade: Trade) -> tuple[int, int]:
    return trade.trade_time, trade.seq


_SKEWS_MS = (-300_000, -1_000, 0, 0, 0, 0, 1_000, 300_000)
_TIMES_IN_WORDS = ("2026-12-31T23:59:60Z", "2026-10-25T02:30:00+02:00")
#: All of a candle but its volatility, which late trades leave as it was.
_ORDERLESS = (
    "open", "high", "low", "close", "volume", "turnover", "vwap", "trades", "buy_volume",
    "sell_volume", "ofi",
)  # fmt: skip


def test_dropped_indices_come_back_the_same(stream: StreamProcess, client: Elasticsearch) -> None:
    """F20: with a new checkpoint Kafka is read again: the same ids, features and candles."""
    trades = make_trades(stream.exchange, 1_000)
    stream.produce(trades)
    check(client, stream, trades)
    assert stream.stop(signal.SIGTERM) == 0
    query = {"term": {"exchange": stream.exchange}}
    for kind in ("trades", "candles", "rolling"):
        client.delete_by_query(index=f"crypto-{kind}-*", query=query, refresh=True)
    stream.folder = stream.folder / "again"
    stream.folder.mkdir()
    stream.start()
    eventually(
        lambda: documents(client, "trades", stream.exchange).keys() == ids(trades),
        within=DRAIN_SECONDS,
        poll=1,
    )
    check(client, stream, trades)
