"""What an earlier run left in Kafka: with it, ids tell of what was lost while none was running."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.settings import kafka_options
from cryptostream.contracts.trade import Trade, decode_trade
from cryptostream.ingest.errors import DeliveryError

#: Read back of each partition: what ccxt or an exchange's snapshot may hand out again lies in it.
TAIL_MESSAGES: Final = 2_000
ANSWER_SECONDS: Final = 10.0


async def newest_trades(servers: str, topic: str) -> list[Trade]:
    """Give the last trades of the topic, partition by partition, each in its order.

    Raises `DeliveryError` if Kafka does not answer.
    """
    return await asyncio.to_thread(_read, servers, topic)


def _read(servers: str, topic: str) -> list[Trade]:
    consumer: Any = Consumer(
        {
            **kafka_options(servers),
            # Required by the client, and never joined: partitions are assigned by hand.
            "group.id": "cryptostream-ingest-history",
            "enable.auto.commit": False,
        }
    )
    try:
        partitions = consumer.list_topics(topic, timeout=ANSWER_SECONDS).topics[topic].partitions
        return [trade for one in partitions for trade in _tail(consumer, topic, one)]
    except KafkaException as error:
        raise DeliveryError(f"Kafka does not give {topic} back: {error}") from error
    finally:
        consumer.close()


def _tail(consumer: Any, topic: str, partition: int) -> list[Trade]:
    place = TopicPartition(topic, partition)
    low, high = consumer.get_watermark_offsets(place, timeout=ANSWER_SECONDS)
    place.offset = max(low, high - TAIL_MESSAGES)
    consumer.assign([place])
    trades: list[Trade] = []
    while place.offset < high:
        messages = consumer.consume(TAIL_MESSAGES, timeout=ANSWER_SECONDS)
        if not messages:
            raise DeliveryError(f"Kafka does not give {topic}[{partition}] back")
        for message in messages:
            if message.error() is not None:
                raise KafkaException(message.error())
            place.offset = message.offset() + 1
            trades += _decoded(message.value())
    return trades


def _decoded(raw: bytes | None) -> list[Trade]:
    """Give the trade, if it is one: who reads the topic dead-letters what is none."""
    try:
        return [decode_trade(raw or b"")]
    except ContractError:
        return []
