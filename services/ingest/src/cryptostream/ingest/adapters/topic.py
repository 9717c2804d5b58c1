"""The topic of an exchange's trades: created like Bybit's, where it is not there yet."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from cryptostream.contracts.settings import kafka_options
from cryptostream.contracts.topics import TOPICS
from cryptostream.ingest.errors import DeliveryError

CREATE_SECONDS: Final = 30


async def ensure_topic(servers: str, name: str) -> bool:
    """Create the topic with the partitions and settings of `bybit-trades`.

    Gives False if it was there already; raises `DeliveryError` if Kafka does not answer or
    refuses.
    """
    return await asyncio.to_thread(_create, servers, name)


def _create(servers: str, name: str) -> bool:
    admin: Any = AdminClient({**kafka_options(servers), "log_level": 0})
    model = TOPICS[0]
    wanted = NewTopic(name, num_partitions=model.partitions, config=model.config)
    try:
        answers = admin.create_topics([wanted], operation_timeout=CREATE_SECONDS)
        answers[name].result(timeout=CREATE_SECONDS)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise DeliveryError(f"Kafka did not create the topic {name}: {error}") from error
    except TimeoutError as error:
        raise DeliveryError(
            f"no Kafka answers at {servers} after {CREATE_SECONDS} s: check "
            "KAFKA_BOOTSTRAP_SERVERS, start Kafka"
        ) from error
    return True
