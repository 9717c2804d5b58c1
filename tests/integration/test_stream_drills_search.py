"""The stream through Elasticsearch's bad days: nothing lost, nothing twice, nothing taken early.

Run by `make drill-stream`. `DRILL_FAULT_SECONDS` (60) is how long a fault lasts, and
`DRILL_BLOCK_SECONDS` (300) how long the disk is full. The letters are those of docs/stream.md.
"""

from __future__ import annotations

import os
import random
import sys
import time
from typing import TYPE_CHECKING, Any
from zlib import crc32

import pytest
from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.search_proxy import SearchProxy, busy, refusing, search_proxy, unheard, well
from support.servers import restartable_elasticsearch
from support.stream import StreamProcess, running_stream
from support.stream_drill import DRAIN_SECONDS, check
from support.stream_truth import documents, ids, make_trades

from cryptostream.cli.setup import put_templates
from cryptostream.contracts.settings import ElasticsearchSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.search_proxy import Fault

    from cryptostream.contracts.trade import Trade

pytestmark = [pytest.mark.drill, pytest.mark.timeout(3_600)]

FAULT_SECONDS = float(os.environ.get("DRILL_FAULT_SECONDS", "60"))
BLOCK_SECONDS = float(os.environ.get("DRILL_BLOCK_SECONDS", "300"))
RECOVERY_SECONDS = 300
#: A bulk that is refused whole is tried after 0.1 s, 0.2 s and so on, up to every 5 s.
MOST_TRIES = 40
PARTS = 10
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
    with running_stream(kafka_bootstrap, proxy[1], tmp_path) as process:
        yield process


@pytest.fixture
def client(elasticsearch_url: str) -> Elasticsearch:
    """Give a client of the session's Elasticsearch."""
    return Elasticsearch(elasticsearch_url, request_timeout=60)


def _feed(stream: StreamProcess, trades: Sequence[Trade], seconds: float) -> int:
    """Let trades come for a while; gives how often the stream ended and was started again."""
    size = -(-len(trades) // PARTS)
    parts = iter([trades[start : start + size] for start in range(0, len(trades), size)])
    deadline, starts = time.monotonic() + seconds, 0

    def is_over() -> bool:
        nonlocal starts
        if part := next(parts, ()):
            stream.produce(part)
        assert stream.process is not None
        if stream.process.poll() is not None:
            starts += 1
            stream.start()
        return time.monotonic() >= deadline

    eventually(is_over, within=seconds + 120, poll=seconds / PARTS / 2)
    stream.produce([one for part in parts for one in part])
    return starts


def _tenth() -> Fault:
    rng = random.Random(1)
    return refusing(429, lambda _header: rng.random() < 0.1)


def test_a_tenth_of_the_items_is_sent_again(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch
) -> None:
    """F8: what is not taken is sent again, and trades go on."""
    trades = make_trades(stream.exchange, 3_000)
    proxy[0].fault = _tenth()
    assert _feed(stream, trades, FAULT_SECONDS) == 0
    proxy[0].fault = well
    check(client, stream, trades)
    assert stream.metric("bulk_retries_total")[()] > 0


@pytest.mark.parametrize(
    "fault", [busy(429), busy(503), unheard], ids=["429", "503", "applied, unheard"]
)
def test_a_refused_bulk_is_sent_again(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch, fault: Fault
) -> None:
    """F8: with growing delays, and no batch is done before all of it is taken."""
    trades = make_trades(stream.exchange, 1_000)
    proxy[0].fault = fault
    assert _feed(stream, trades, FAULT_SECONDS) == 0
    assert stream.lag() == len(trades)
    assert 1 < proxy[0].met <= MOST_TRIES
    proxy[0].fault = well
    check(client, stream, trades)


def test_a_refused_document_is_a_dead_letter(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], client: Elasticsearch
) -> None:
    """F9: documents refused for good leave the others alone, and are told with the reason."""
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
    """F10: three restarts of the node under trades: the stream waits, and then has all of them."""
    with restartable_elasticsearch() as server:
        put_templates(ElasticsearchSettings(url=server.url))
        with running_stream(kafka_bootstrap, server.url, tmp_path) as stream:
            trades = make_trades(stream.exchange, 4 * SLICE)
            for number in range(3):
                stream.produce(trades[number * SLICE : (number + 1) * SLICE])
                server.stop()
                server.start()
            stream.produce(trades[3 * SLICE :])
            check(Elasticsearch(server.url, request_timeout=60), stream, trades)


def test_a_full_disk_holds_the_stream_until_it_is_freed(
    stream: StreamProcess, client: Elasticsearch
) -> None:
    """F10: nothing is committed past a read-only index; five minutes later all is there soon.

    After two minutes the stream ends with an error, and whoever watches over it starts it again.
    """
    trades = make_trades(stream.exchange, 1_200)
    stream.produce(trades[:SLICE])
    eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    _block(client, on=True)
    try:
        starts = _feed(stream, trades[SLICE:], BLOCK_SECONDS)
        assert stream.lag() == len(trades) - SLICE
    finally:
        _block(client, on=None)
    freed = time.monotonic()
    eventually(lambda: _is_caught_up(stream), within=RECOVERY_SECONDS, poll=0.5)
    took = time.monotonic() - freed
    sys.stdout.write(
        f"full for {BLOCK_SECONDS:.0f} s: {starts} restarts, lag 0 after {took:.1f} s\n"
    )
    check(client, stream, trades)


def _is_caught_up(stream: StreamProcess) -> bool:
    assert stream.process is not None
    if stream.process.poll() is not None:
        stream.start()
    return stream.drained()


def _block(client: Elasticsearch, *, on: Any) -> None:
    settings = {"index.blocks.read_only_allow_delete": on}
    client.indices.put_settings(index="crypto-trades-*", settings=settings)
