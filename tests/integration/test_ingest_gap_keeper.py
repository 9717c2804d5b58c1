"""The gap keeper against a simulated exchange's REST and a real Kafka."""

from __future__ import annotations

import asyncio
import json
import time
from random import Random
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from support.eventually import eventually_async
from support.kafka_topics import TopicReader, new_topic
from support.simulator import RunningSimulator, running_simulator

from cryptostream.contracts.messages import Coverage, Gap, decode
from cryptostream.contracts.topics import COVERAGE, GAPS
from cryptostream.contracts.trade import decode_trade
from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.gap_metrics import GapMetrics
from cryptostream.ingest.gaps import GapLedger
from cryptostream.ingest.ledger import GapKeeper
from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.parse import Source
from cryptostream.ingest.recent import SPOT_ROWS, Recent
from cryptostream.ingest.sink import KafkaSink
from cryptostream.ingest.stitch import Row, trades_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.integration
SYMBOL = "BTCUSDT"
SOURCE = Source("bybit", "spot", "0/1")


@pytest.fixture(scope="module")
def exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """Give an exchange with one symbol of some 5 trades a second."""
    folder = tmp_path_factory.mktemp("exchange")
    with running_simulator(folder, symbols=SYMBOL, rate=5) as running:
        yield running


@pytest.fixture
async def recent(exchange: RunningSimulator) -> AsyncIterator[Recent]:
    """Give a client of that exchange."""
    client = Recent(exchange.http, "spot", Backoff(Random(1)))
    yield client
    client.close()


def now_ms() -> int:
    """Give the time."""
    return time.time_ns() // 1_000_000


async def rows_of(recent: Recent) -> list[Row]:
    """Give the newest rows, oldest first, once there are some."""

    async def some() -> list[Row]:
        return await recent.fetch(SYMBOL) or []

    return (await eventually_async(some, within=30.0, poll=0.2))[::-1]


async def test_a_gap_is_repaired_from_the_exchange(recent: Recent, kafka_bootstrap: str) -> None:
    """What the exchange traded meanwhile is in Kafka once, and the gap's last word says so."""
    topic = new_topic(kafka_bootstrap)
    readers = [TopicReader(kafka_bootstrap, name) for name in (topic, GAPS, COVERAGE)]
    sink = KafkaSink(kafka_bootstrap, topic, Metrics(), client_id="test")
    ledger = GapLedger("bybit", "spot", instance="pod-7", shard="0/1")
    metrics = GapMetrics(CollectorRegistry())
    keeper = GapKeeper(ledger, recent, sink, metrics, source=SOURCE, instance="pod-7")
    ledger.subscribed([SYMBOL], "a", now_ms())
    before = await rows_of(recent)
    ledger.received(trades_of(before, SOURCE, now_ms()), "a")
    ledger.lost([SYMBOL], "a", now_ms(), "closed")

    async def missed() -> bool:
        return len({row.execId for row in await rows_of(recent)} - ids_of(before)) >= 5

    await eventually_async(missed, within=30.0, poll=0.5)
    granted = now_ms()
    ledger.subscribed([SYMBOL], "a", granted)

    async def flowing() -> bool:
        rows = [row for row in await rows_of(recent) if row.time > granted]
        ledger.received(trades_of(rows, SOURCE, now_ms()), "a")
        return bool(rows)

    await eventually_async(flowing, within=30.0, poll=0.2)
    running = [asyncio.create_task(work) for work in (keeper.run(), sink.run())]

    async def told() -> bool:
        gaps = [decode(message.value() or b"", Gap) for message in readers[1].read()]
        return any(gap.state == "repaired" for gap in gaps if gap.shard == "0/1")

    await eventually_async(told, within=30.0, poll=0.5)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    assert await sink.close(10.0) == 0
    stored = [decode_trade(message.value() or b"") for message in readers[0].read(1.0)]
    truth = [row for row in await rows_of(recent) if before[-1].time <= row.time <= granted]
    expected = [row.execId for row in truth if row.execId not in ids_of(before)]
    assert len(truth) < SPOT_ROWS
    assert [trade.trade_id for trade in stored][: len(expected)] == expected
    assert len({trade.trade_id for trade in stored}) == len(stored)
    gap = decode(readers[1].messages[-1].value() or b"", Gap)
    assert (gap.state, gap.stitched, gap.symbol) == ("repaired", len(stored), SYMBOL)
    assert Coverage in {type(decode(m.value() or b"", Coverage)) for m in readers[2].read()}
    for reader in readers:
        reader.close()


def ids_of(rows: list[Row]) -> set[str]:
    """Give the rows' trade ids."""
    return {row.execId for row in rows}


async def test_rows_carry_every_field(exchange: RunningSimulator, recent: Recent) -> None:
    """They are the trades that the stream would have brought, but for origin and push time."""
    row = (await rows_of(recent))[0]
    (trade,) = trades_of([row], SOURCE, now_ms())
    ledger = map(json.loads, exchange.text("/simulator/ledger?all=1").splitlines())
    (truth,) = [entry for entry in ledger if entry["trade_id"] == trade.trade_id]
    told = trade.symbol, trade.price, trade.size, trade.side, trade.trade_time
    assert told == tuple(truth[name] for name in ("symbol", "price", "size", "side", "trade_time"))
    assert (trade.origin, trade.shard) == ("stitched", "0/1")
    assert trade.seq > 0


async def test_a_symbol_that_the_exchange_does_not_know_has_no_rows(recent: Recent) -> None:
    """It is asked for once."""
    asked = recent.requests
    assert await recent.fetch("NOPEUSDT") is None
    assert recent.requests == asked + 1


async def test_an_exchange_that_is_away_gives_no_rows() -> None:
    """After a few attempts."""
    client = Recent("http://127.0.0.1:9", "spot", Backoff(Random(1), base=0.1, cap=0.1))
    assert await client.fetch(SYMBOL) is None
    client.close()
