"""The producer against a real Kafka, and against none."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.eventually import eventually_async
from support.kafka_topics import TopicReader, new_topic
from support.servers import free_ports
from support.witness import Witness

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import Coverage, DeadLetter, Gap, dead_letter, decode
from cryptostream.contracts.topics import COVERAGE, DEAD_LETTERS, GAPS
from cryptostream.contracts.trade import Trade, decode_trade
from cryptostream.ingest.errors import DeliveryError
from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.parse import Source, parse_frame
from cryptostream.ingest.sink import KafkaSink

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.ingest.observer import Observer


def trades(count: int) -> list[Trade]:
    """Make trades of 7 symbols with ids of their own."""
    made = []
    for number in range(count):
        symbol = f"S{number % 7}USDT"
        frame = (
            f'{{"topic":"publicTrade.{symbol}","ts":1791457528952,"data":[{{"i":"{number}",'
            f'"T":1791457528951,"p":"1.5","v":"2","S":"Sell","s":"{symbol}"}}]}}'
        )
        made += parse_frame(frame.encode(), Source("bybit", "spot", "0/1"), 1_791_457_528_960)[0]
    return made


def sink_to(
    bootstrap: str,
    topic: str,
    config: Mapping[str, str | int | bool] | None = None,
    *,
    observer: Observer | None = None,
) -> tuple[KafkaSink, Metrics]:
    """Make a sink with metrics of its own."""
    metrics = Metrics()
    made = KafkaSink(
        bootstrap,
        topic,
        metrics,
        client_id="test",
        observer=observer,
        topic_wait=1.0,
        config=config,
    )
    return made, metrics


def nowhere() -> str:
    """Give an address where no broker listens."""
    (port,) = free_ports(1)
    return f"127.0.0.1:{port}"


async def test_closing_delivers_what_was_offered(kafka_bootstrap: str) -> None:
    """Accepted is acknowledged: a flush at the end leaves nothing behind, and all is counted."""
    topic = new_topic(kafka_bootstrap, partitions=4)
    reader = TopicReader(kafka_bootstrap, topic)
    sink, metrics = sink_to(kafka_bootstrap, topic)
    await sink.start()
    offered = trades(5_000)
    assert all(sink.offer_trade(trade) for trade in offered)
    assert await sink.close(within=20.0) == 0
    assert metrics.produced._value.get() == metrics.delivered._value.get() == 5_000
    stored = [decode_trade(message.value() or b"") for message in reader.read(1.0)]
    assert sorted(stored, key=lambda t: int(t.trade_id)) == offered
    reader.close()


async def test_a_symbol_keeps_its_partition_and_order(kafka_bootstrap: str) -> None:
    """The key decides the partition, so that the trades of a symbol stay in their order."""
    topic = new_topic(kafka_bootstrap, partitions=4)
    reader = TopicReader(kafka_bootstrap, topic)
    sink, _ = sink_to(kafka_bootstrap, topic)
    for trade in trades(700):
        sink.offer_trade(trade)
    await sink.close(within=20.0)
    places: dict[str, set[int | None]] = {}
    order: dict[str, list[int]] = {}
    for message in reader.read(1.0):
        trade = decode_trade(message.value() or b"")
        assert message.key() == trade.symbol.encode()
        places.setdefault(trade.symbol, set()).add(message.partition())
        order.setdefault(trade.symbol, []).append(int(trade.trade_id))
    assert len(places) == 7
    assert all(len(found) == 1 for found in places.values())
    assert all(ids == sorted(ids) for ids in order.values())
    reader.close()


async def test_the_queue_is_bounded_and_says_when_it_is_full() -> None:
    """Without Kafka the offers end at the bound, and the close says how many stayed behind."""
    sink, metrics = sink_to(nowhere(), "any", {"queue.buffering.max.messages": 10})
    accepted = [sink.offer_trade(trade) for trade in trades(15)]
    assert accepted == [True] * 10 + [False] * 5
    assert len(sink) == 10
    assert await sink.close(within=0.2) == 10
    assert metrics.produced._value.get() == 10
    assert metrics.delivered._value.get() == 0


async def test_a_missing_topic_is_named_at_the_start(kafka_bootstrap: str) -> None:
    """The remedy is in the message; nothing is created behind anybody's back."""
    sink, _ = sink_to(kafka_bootstrap, "no-such-topic")
    with pytest.raises(DeliveryError, match="no topic no-such-topic"):
        await sink.start()
    assert not sink.ready


async def test_no_broker_at_the_start_is_an_error_too() -> None:
    """It names the variable that is perhaps wrong."""
    sink, _ = sink_to(nowhere(), "any")
    with pytest.raises(DeliveryError, match=r"no Kafka answers at .*KAFKA_BOOTSTRAP_SERVERS"):
        await sink.start()


async def test_messages_that_can_never_be_delivered_end_the_process(kafka_bootstrap: str) -> None:
    """A topic that vanished loses every message: the sink gives up loudly instead."""
    config = {"topic.metadata.propagation.max.ms": 100}
    observer = Witness()
    sink, metrics = sink_to(
        kafka_bootstrap, f"gone-{Random().randrange(10**9)}", config, observer=observer
    )
    (trade,) = trades(1)
    sink.offer_trade(trade)
    with pytest.raises(DeliveryError):
        await asyncio.wait_for(sink.run(), 20.0)
    assert metrics.failed._value.get() == 1
    assert not sink.ready
    time = trade.trade_time
    assert observer.calls == [("dropped", trade.symbol, time, time, "not_delivered")]


async def test_gaps_and_coverage_have_their_topics_and_keys(kafka_bootstrap: str) -> None:
    """A gap is found by its symbol, a report by its teller."""
    gaps, reports = TopicReader(kafka_bootstrap, GAPS), TopicReader(kafka_bootstrap, COVERAGE)
    sink, metrics = sink_to(kafka_bootstrap, new_topic(kafka_bootstrap))
    gap = Gap("bybit:spot:BTCUSDT:me:1:silence", "bybit", "spot", "BTCUSDT", 1, 2, "silence",
              "open", "0/1", 3, 2)  # fmt: skip
    report = Coverage("bybit", "spot", "me", 5, {"BTCUSDT": 1}, {"BTCUSDT": 0.5})
    assert sink.offer_gap(gap)
    assert sink.offer_coverage(report)
    assert await sink.close(within=20.0) == 0
    (gap_record,) = [m for m in gaps.read(1.0) if m.key() == b"BTCUSDT"]
    (report_record,) = [m for m in reports.read(1.0) if m.key() == b"me"]
    assert decode(gap_record.value() or b"", Gap) == gap
    assert decode(report_record.value() or b"", Coverage) == report
    assert metrics.records_failed._value.get() == 0
    gaps.close()
    reports.close()


async def test_brokers_that_go_away_make_the_sink_unready() -> None:
    """Readiness follows the brokers, not the process."""
    sink, _ = sink_to(nowhere(), "any")
    sink._brokers_up = True
    task = asyncio.create_task(sink.run())

    async def unready() -> bool:
        return not sink.ready

    await eventually_async(unready, within=20.0)
    task.cancel()


async def test_a_dead_letter_of_any_bytes_is_delivered(kafka_bootstrap: str) -> None:
    """Also the largest one, of control characters that grow sixfold as JSON."""
    topic = new_topic(kafka_bootstrap)
    reader = TopicReader(kafka_bootstrap, DEAD_LETTERS)
    sink, metrics = sink_to(kafka_bootstrap, topic)
    error = ContractError("bad_frame", "why")
    payloads = [b"\x01" * 2_000_000, bytes(range(256)), b""]
    for payload in payloads:
        letter = dead_letter(payload, source="test", component="ingest", error=error, now_ms=1)
        assert sink.offer_dead_letter(letter)
    assert await sink.close(within=20.0) == 0
    assert metrics.dead_letters_failed._value.get() == 0
    found = [decode(message.value() or b"", DeadLetter) for message in reader.read(1.0)]
    assert [letter.raw() for letter in found] == [b"\x01" * 262_144, *payloads[1:]]
    assert [letter.truncated for letter in found] == [True, False, False]
    reader.close()
