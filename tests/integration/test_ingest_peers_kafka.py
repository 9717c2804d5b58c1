"""Peers over a real Kafka: everybody hears everybody, and bad reports harm nobody."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from support.eventually import eventually_async
from support.kafka_topics import new_topic

from cryptostream.contracts.messages import Coverage, encode
from cryptostream.ingest.peers import Peers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration


def wall_ms() -> int:
    """Give the time of day."""
    return time.time_ns() // 1_000_000


def tell(bootstrap: str, topic: str, *messages: bytes, at: int = 0) -> None:
    """Write raw messages, as if at the given time."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for message in messages:
        producer.produce(topic, message, "key", timestamp=at)
    assert producer.flush(30) == 0


def report(instance: str, *symbols: str, ago_ms: int = 0) -> bytes:
    """Make a report, of now by default, on symbols read for a minute."""
    now = wall_ms() - ago_ms
    since = dict.fromkeys(symbols, now - 60_000)
    return encode(Coverage("bybit", "spot", instance, now, since, dict.fromkeys(symbols, 1.0)))


@asynccontextmanager
async def running(bootstrap: str, topic: str, me: str = "a") -> AsyncIterator[Peers]:
    """Run an instance's peers."""
    peers = Peers(bootstrap, me, wall_ms=wall_ms, topic=topic)
    task = asyncio.create_task(peers.run())
    try:
        yield peers
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_reports_from_before_and_after_the_start_are_heard(kafka_bootstrap: str) -> None:
    """All partitions are read."""
    topic = new_topic(kafka_bootstrap, partitions=3)
    tell(kafka_bootstrap, topic, report("b", "BTCUSDT"))
    async with running(kafka_bootstrap, topic) as peers:

        async def hears_b() -> bool:
            return peers.receives("BTCUSDT", "b")

        async def hears_c() -> bool:
            return peers.receives("ETHUSDT", "c")

        await eventually_async(hears_b, within=30)
        tell(kafka_bootstrap, topic, report("c", "ETHUSDT"))
        await eventually_async(hears_c, within=30)
        now = wall_ms()
        assert peers.covers("ETHUSDT", now - 30_000, now - 20_000)
        assert set(peers.reports()) == {"b", "c"}


async def test_bad_reports_are_counted_and_passed_over(kafka_bootstrap: str) -> None:
    """Rubbish on the topic doesn't stop the reading."""
    topic = new_topic(kafka_bootstrap)
    tell(kafka_bootstrap, topic, b"", b"\xff", b"[" * 5000, b'{"exchange":1}', report("b", "X"))
    async with running(kafka_bootstrap, topic) as peers:

        async def hears_b() -> bool:
            return peers.receives("X", "b")

        await eventually_async(hears_b, within=30)
        assert peers.refused == 4


async def test_all_history_is_heard_before_it_is_said_to_be(kafka_bootstrap: str) -> None:
    """Whoever waits for `heard` knows the last word on each symbol, however old."""
    topic = new_topic(kafka_bootstrap, partitions=2)
    told = [report("a", "X", ago_ms=600_000 + 10 * n) for n in range(2_000)]
    tell(kafka_bootstrap, topic, *told, report("b", "Y", ago_ms=40_000))
    async with running(kafka_bootstrap, topic) as peers:

        async def has_heard() -> bool:
            return peers.heard

        await eventually_async(has_heard, within=30)
        assert peers.reports() == {}
        assert wall_ms() - (peers.told_until("X") or 0) < 660_000
        assert wall_ms() - (peers.told_until("Y") or 0) < 100_000


async def test_an_empty_topic_is_heard_at_once(kafka_bootstrap: str) -> None:
    """The first instance of all waits for nobody."""
    async with running(kafka_bootstrap, new_topic(kafka_bootstrap)) as peers:

        async def has_heard() -> bool:
            return peers.heard

        await eventually_async(has_heard, within=30)
        assert peers.told_until("X") is None


async def test_a_topic_that_comes_later_is_found(kafka_bootstrap: str) -> None:
    """A missing topic is waited for, and not created by asking."""
    topic = f"test-{uuid4().hex[:12]}"
    async with running(kafka_bootstrap, topic) as peers:
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})

        async def was_missed() -> bool:
            return peers.misses > 0

        await eventually_async(was_missed, within=30)
        admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(timeout=30)

        async def hears_b() -> bool:
            tell(kafka_bootstrap, topic, report("b", "X"))
            return peers.receives("X", "b")

        await eventually_async(hears_b, within=60)


async def test_an_unreachable_kafka_is_waited_for() -> None:
    """No answer is no reason to end."""
    async with running("127.0.0.1:9", "any") as peers:

        async def was_missed() -> bool:
            return peers.misses > 0

        await eventually_async(was_missed, within=30)
        assert peers.reports() == {}
