"""The reconciliation and the latency probe, against real servers with known faults."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from elasticsearch import Elasticsearch
from support.eventually import eventually

from cryptostream.cli.latency import Probe, percentiles
from cryptostream.cli.verify import Reconciliation, end_offsets, reconcile
from cryptostream.contracts.indices import trade_id
from cryptostream.contracts.trade import Trade, encode_trade

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = "crypto-trades-2026.01.01"
NEXT_DAY = "crypto-trades-2026.01.02"


def _trade(exchange: str, number: int) -> Trade:
    now = time.time_ns() // 1_000_000
    return Trade(
        exchange=exchange,
        category="spot",
        symbol="AUSDT",
        trade_id=str(number),
        price="1.5",
        size="2",
        side="buy",
        trade_time=now,
        exchange_time=now,
        ingest_time=now,
        seq=number,
        block_trade=False,
        rpi=False,
        origin="live",
        shard="0/1",
    )


def _ledger_line(number: int) -> bytes:
    return b'{"symbol":"AUSDT","trade_id":"%d","price":"1","size":"1"}' % number


@pytest.fixture
def judged(
    kafka_bootstrap: str, elasticsearch_url: str
) -> Callable[[list[int], list[int], list[tuple[str, int]]], Reconciliation]:
    """Give a function that reconciles a ledger, Kafka and documents made of trade numbers."""
    exchange = f"x{uuid.uuid4().hex[:8]}"
    client = Elasticsearch(elasticsearch_url)

    def judge(
        ledger: list[int], kafka: list[int], documents: list[tuple[str, int]]
    ) -> Reconciliation:
        topic = f"{exchange}-trades"
        admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
        admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
        start = end_offsets(kafka_bootstrap)
        producer = Producer({"bootstrap.servers": kafka_bootstrap})
        for number in kafka:
            producer.produce(topic, encode_trade(_trade(exchange, number)))
        producer.produce(topic, b"no trade")
        assert producer.flush(30) == 0
        for index, number in documents:
            client.index(
                index=index,
                id=trade_id(exchange, "spot", "AUSDT", str(number)),
                document={"symbol": "AUSDT"},
            )
        return reconcile(
            bootstrap=kafka_bootstrap,
            elasticsearch=client,
            ledger=map(_ledger_line, ledger),
            start_offsets=start,
            exchange=exchange,
        )

    return judge


def test_a_sound_run_has_nothing_lost_or_doubled(judged: Callable[..., Reconciliation]) -> None:
    """Every trade sent, in Kafka (even twice) and in one document: nothing to complain of."""
    result = judged([1, 2, 3], [1, 2, 3, 3], [(DAY, 1), (DAY, 2), (DAY, 3)])
    assert (result.sent, result.kafka, result.documents) == (3, 3, 3)
    assert result.kafka_records == 5
    assert (result.lost, result.duplicates) == (0, ())


def test_each_loss_is_named_with_the_place_where_it_happened(
    judged: Callable[..., Reconciliation],
) -> None:
    """A trade lost before Kafka, one lost after it, and a doubled one are told apart by id."""
    result = judged([1, 2, 3, 4], [2, 3, 4], [(DAY, 2), (NEXT_DAY, 2), (DAY, 4)])
    assert [identity.rsplit(":")[-1] for identity in result.lost_before_kafka] == ["1"]
    assert [identity.rsplit(":")[-1] for identity in result.lost_after_kafka] == ["3"]
    assert [identity.rsplit(":")[-1] for identity in result.duplicates] == ["2"]
    assert result.lost == 2


def test_the_probe_sees_each_new_document_once(elasticsearch_url: str) -> None:
    """A sample per document that became searchable since the start, with its age."""
    client = Elasticsearch(elasticsearch_url)
    probe = Probe(client)
    probe.poll()
    before = len(probe.samples)
    started = time.time_ns() // 1_000_000
    index = time.strftime("crypto-trades-%Y.%m.%d", time.gmtime())
    documents: list[dict[str, Any]] = [{"exchange_time": started - 1_000} for _ in range(7)]
    for document in documents:
        client.index(index=index, document=document)

    def seen() -> bool:
        probe.poll()
        return len(probe.samples) >= before + 7

    eventually(seen, within=20)
    probe.poll()
    fresh = probe.samples[before:]
    assert len(fresh) == 7
    assert all(1_000 <= age < 30_000 for age in fresh)


def test_percentiles_are_nearest_ranks() -> None:
    """p50, p95 and p99 of 1..100 are 50, 95 and 99; of nothing there are none."""
    assert percentiles(list(range(1, 101))) == {"p50": 50, "p95": 95, "p99": 99}
    assert percentiles([3.0]) == {"p50": 3.0, "p95": 3.0, "p99": 3.0}
    assert percentiles([]) == {"p50": None, "p95": None, "p99": None}
