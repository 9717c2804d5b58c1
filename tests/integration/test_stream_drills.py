"""The stream through kills and Elasticsearch's bad days: nothing lost, nothing twice.

Run by `make drill-stream`. `DRILL_KILLS` (20) is the number of kills.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec
import pytest
from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.search_proxy import SearchProxy, busy, counted, refusing, search_proxy, unheard, well
from support.servers import restartable_elasticsearch
from support.stream import StreamProcess
from support.stream_truth import documents, expected_candles, expected_features, ids, make_trades

from cryptostream.cli.setup import put_templates
from cryptostream.contracts.settings import ElasticsearchSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.search_proxy import Answer, Fault, Forward

    from cryptostream.contracts.trade import Trade

pytestmark = [pytest.mark.drill, pytest.mark.timeout(3_600)]

KILLS = int(os.environ.get("DRILL_KILLS", "20"))
#: The drill's end, whatever the machine is busy with.
DRAIN_SECONDS = 300
#: Bulks that must have met a fault before it ends.
MET = 3
SLICE = 300


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[tuple[SearchProxy, str]]:
    """Give a proxy before the session's Elasticsearch, and its URL."""
    with search_proxy(elasticsearch_url) as running:
        yield running


@pytest.fixture
def stream(
    kafka_bootstrap: str, proxy: tuple[SearchProxy, str], tmp_path: Path
) -> Iterator[StreamProcess]:
    """Give a running stream that writes through the proxy."""
    process = StreamProcess(kafka_bootstrap, proxy[1], tmp_path)
    process.create_topic()
    try:
        process.start()
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)


@pytest.fixture
def client(elasticsearch_url: str) -> Elasticsearch:
    """Give a client of the session's Elasticsearch."""
    return Elasticsearch(elasticsearch_url, request_timeout=60)


def check(client: Elasticsearch, stream: StreamProcess, trades: Sequence[Trade]) -> None:
    """Hold documents, features and candles against the trades."""
    eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    found = documents(client, "trades", stream.exchange)
    assert found.keys() == ids(trades)
    assert {i: d["features"] for i, d in found.items()} == expected_features(trades)
    eventually(lambda: not _wrong_candles(client, trades), within=60, poll=0.5)


def _wrong_candles(client: Elasticsearch, trades: Sequence[Trade]) -> list[str]:
    """Name the candles that don't say what their trades say.

    Volatility apart: after an outage one partition may be read ahead of the other, and late
    trades leave it as it is.
    """
    found = documents(client, "candles", trades[0].exchange)
    wrong = []
    for identity, values in expected_candles(trades).items():
        del values["volatility"]
        told = {name: found.get(identity, {}).get(name) for name in values}
        if told != pytest.approx(values, rel=1e-9, abs=1e-12):
            wrong.append(identity)
    return wrong


def _commits(stream: StreamProcess) -> int:
    """Give the newest batch that Spark has committed."""
    names = (stream.folder / "checkpoint").glob("*/trades/commits/*")
    return max((int(one.name) for one in names if one.name.isdecimal()), default=-1)


def _killing(stream: StreamProcess, *, applied: bool) -> Fault:
    """Kill the stream when it sends a bulk of trades, before or after it is applied."""

    def fault(body: bytes, forward: Forward) -> Answer:
        if b'{"create"' not in body:
            return forward(body)
        if applied:
            forward(body)
        assert stream.process is not None
        stream.process.kill()
        raise ConnectionAbortedError

    return fault


def _kill(stream: StreamProcess, proxy: SearchProxy, point: str, trades: Sequence[Trade]) -> None:
    """Let trades come, and kill the stream at a point of settling them."""
    assert stream.process is not None
    if point in {"before the bulk", "after the bulk"}:
        proxy.fault = _killing(stream, applied=point == "after the bulk")
        stream.produce(trades)
        stream.process.wait(120)
        proxy.fault = well
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


def test_kills_lose_and_double_nothing(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch
) -> None:
    """After every kill -9, at named points and at random, it goes on as if nothing had happened."""
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
    stream.produce(trades[KILLS * SLICE :])
    check(client, stream, trades)


def _tenth() -> Fault:
    rng = random.Random(1)
    return refusing(429, lambda _header: rng.random() < 0.1)


@pytest.mark.parametrize(
    "fault",
    [_tenth(), busy(429), busy(503), unheard],
    ids=["a tenth of the items 429", "429", "503", "applied, unheard"],
)
def test_elasticsearchs_bad_days_lose_and_double_nothing(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch, fault: Fault
) -> None:
    """What is not taken is sent again with growing delays; the batch waits for all of it."""
    trades = make_trades(stream.exchange, 1_000)
    proxy[0].fault = fault
    stream.produce(trades)
    eventually(lambda: proxy[0].met >= MET, within=120)
    proxy[0].fault = well
    check(client, stream, trades)


def test_a_refused_document_is_a_dead_letter(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch
) -> None:
    """Documents that are refused for good leave the others alone, and are told with the reason."""
    trades = make_trades(stream.exchange, 1_000)
    poison = {one for one in ids(trades) if crc32(one.encode()) % 100 == 0}
    assert poison
    headers = tuple(f'"{identity}"'.encode() for identity in poison)
    proxy[0].fault = refusing(
        400, lambda header: b'{"create"' in header and any(one in header for one in headers)
    )
    stream.produce(trades)
    eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    assert documents(client, "trades", stream.exchange).keys() == ids(trades) - poison

    def letters() -> int:
        client.indices.refresh(index="crypto-dead-letters-*")
        query = {"term": {"reason": "elasticsearch_400"}}
        return int(client.count(index="crypto-dead-letters-*", query=query)["count"])

    eventually(lambda: letters() == len(poison), within=60)


def test_elasticsearchs_restarts_lose_and_double_nothing(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    """Three restarts of the node under trades: the stream waits, and then has all of them."""
    with restartable_elasticsearch() as server:
        put_templates(ElasticsearchSettings(url=server.url))
        stream = StreamProcess(kafka_bootstrap, server.url, tmp_path)
        stream.create_topic()
        trades = make_trades(stream.exchange, 4 * SLICE)
        stream.start()
        try:
            for number in range(3):
                stream.produce(trades[number * SLICE : (number + 1) * SLICE])
                server.stop()
                server.start()
            stream.produce(trades[3 * SLICE :])
            check(Elasticsearch(server.url, request_timeout=60), stream, trades)
        finally:
            stream.stop(signal.SIGKILL)


def test_a_read_only_index_holds_the_stream_until_it_is_freed(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch
) -> None:
    """What Elasticsearch does when its disk is full: nothing is committed past it, nor lost."""
    trades = make_trades(stream.exchange, 600)
    stream.produce(trades[:300])
    eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    _block(client, on=True)
    proxy[0].fault = counted
    try:
        stream.produce(trades[300:])
        eventually(lambda: proxy[0].met >= MET, within=90)
        assert stream.lag() > 0
    finally:
        _block(client, on=None)
    check(client, stream, trades)


def _block(client: Elasticsearch, *, on: Any) -> None:
    settings = {"index.blocks.read_only_allow_delete": on}
    client.indices.put_settings(index="crypto-trades-*", settings=settings)


def test_skewed_and_shuffled_trades_stop_nothing(
    stream: StreamProcess, client: Elasticsearch
) -> None:
    """Trades out of order, and with clocks five minutes off: each is one document, no crash."""
    rng = random.Random(2)
    trades = [
        msgspec.structs.replace(one, trade_time=one.trade_time + rng.choice(_SKEWS_MS))
        for one in make_trades(stream.exchange, 1_000)
    ]
    rng.shuffle(trades)
    stream.produce(trades)
    eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    assert documents(client, "trades", stream.exchange).keys() == ids(trades)


_SKEWS_MS = (-300_000, -1_000, 0, 0, 0, 0, 1_000, 300_000)


def test_dropped_indices_come_back_the_same(stream: StreamProcess, client: Elasticsearch) -> None:
    """With a new checkpoint Kafka is read again: the same ids, features and candles."""
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
