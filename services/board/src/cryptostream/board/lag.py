"""Kafka lag: end offsets of `<exchange>-trades` less what the stream committed."""

from __future__ import annotations

import re
from concurrent.futures import TimeoutError as FutureTimeoutError
from logging import NullHandler, getLogger
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import (
    ConsumerGroupTopicPartitions,
    KafkaException,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from cryptostream.board.market import Lag
from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.topics import TRADES_PATTERN

if TYPE_CHECKING:
    from collections.abc import Mapping

STREAM_GROUP: Final = "cryptostream-stream"
TIMEOUT_SECONDS: Final = 3.0
_TRADES: Final = re.compile(TRADES_PATTERN)
Partition = tuple[str, int]


class LagError(CryptostreamError):
    """Kafka gave no answer; the text is fit to be shown."""

    failure = Failure.TRANSIENT


def lag_of(
    ends: Mapping[Partition, int],
    starts: Mapping[Partition, int],
    committed: Mapping[Partition, int],
) -> Lag:
    """Sum what is left per partition.

    Without a commit, or with one that retention has passed, a partition lags from its first
    record on; a commit above the end counts as none left.
    """
    behind = 0
    for partition, end in ends.items():
        start = starts.get(partition, 0)
        behind += max(0, end - max(start, committed.get(partition, start)))
    return Lag(records=behind, partitions=len(ends))


def _cause(error: Exception) -> str:
    """Name the failure as librdkafka does, such as `_TRANSPORT`."""
    known = isinstance(error, KafkaException) and error.args
    return str(error.args[0].name()) if known else "no answer in time"


class LagReader:
    """Asks Kafka without joining the group. Blocking: call it from a thread."""

    def __init__(self, bootstrap_servers: str) -> None:
        quiet = getLogger(f"{__name__}.librdkafka")
        quiet.addHandler(NullHandler())
        quiet.propagate = False  # a broker that is down would fill the log; health says it once
        self._admin = AdminClient(
            {
                "bootstrap.servers": bootstrap_servers,
                "client.id": "cryptostream-board",
                "socket.timeout.ms": int(TIMEOUT_SECONDS * 1000),
            },
            logger=quiet,
        )

    def read(self) -> Lag:
        """Read the lag now; raises `LagError`."""
        try:
            partitions = self._partitions()
            return lag_of(
                self._offsets(partitions, OffsetSpec.latest()),  # type: ignore[no-untyped-call]
                self._offsets(partitions, OffsetSpec.earliest()),  # type: ignore[no-untyped-call]
                self._committed(partitions),
            )
        except (KafkaException, TimeoutError, FutureTimeoutError) as error:
            raise LagError(f"Kafka can't be asked for the lag ({_cause(error)})") from error

    def _partitions(self) -> list[Partition]:
        topics = self._admin.list_topics(timeout=TIMEOUT_SECONDS).topics
        return [
            (name, number)
            for name, topic in topics.items()
            if _TRADES.fullmatch(name)
            for number in topic.partitions
        ]

    def _offsets(self, partitions: list[Partition], at: Any) -> dict[Partition, int]:
        asked = self._admin.list_offsets(
            {TopicPartition(*one): at for one in partitions}, request_timeout=TIMEOUT_SECONDS
        )
        return {
            (one.topic, one.partition): future.result(TIMEOUT_SECONDS).offset
            for one, future in asked.items()
        }

    def _committed(self, partitions: list[Partition]) -> dict[Partition, int]:
        if not partitions:
            return {}
        request = ConsumerGroupTopicPartitions(
            STREAM_GROUP, [TopicPartition(*one) for one in partitions]
        )
        asked = self._admin.list_consumer_group_offsets([request], request_timeout=TIMEOUT_SECONDS)
        found = asked[STREAM_GROUP].result(TIMEOUT_SECONDS).topic_partitions
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}
