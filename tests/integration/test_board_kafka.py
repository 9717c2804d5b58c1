"""The board's lag against a real Kafka."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from support.eventually import eventually

from cryptostream.board.lag import STREAM_GROUP, LagError, LagReader

if TYPE_CHECKING:
    from cryptostream.board.market import Lag


def first_answer(reader: LagReader) -> Lag:
    """Ask until the broker has made the topic of its groups' offsets."""

    def answer() -> Lag | None:
        try:
            return reader.read()
        except LagError:
            return None

    found = eventually(answer, within=60, poll=0.5)
    assert found
    return found


def test_lag_is_what_the_stream_has_not_committed(kafka_bootstrap: str) -> None:
    """Ten records and a commit after four: six more of lag; topics of other names don't count."""
    topic = f"x{uuid.uuid4().hex[:8]}-trades"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    reader = LagReader(kafka_bootstrap)
    before = first_answer(reader)
    other = f"{topic}-other"
    made = admin.create_topics([NewTopic(topic, 2), NewTopic(other, 1)])
    for one in made.values():
        one.result(30)
    producer = Producer({"bootstrap.servers": kafka_bootstrap})
    for number in range(10):
        producer.produce(topic, b"x", partition=number % 2)
        producer.produce(other, b"x")
    assert producer.flush(30) == 0
    assert reader.read().records - before.records == 10

    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": STREAM_GROUP})
    consumer.commit(offsets=[TopicPartition(topic, 0, 4)], asynchronous=False)
    consumer.close()
    after = reader.read()
    assert after.records - before.records == 6
    assert after.partitions - before.partitions == 2
    for one in admin.delete_topics([topic, other]).values():
        one.result(30)
