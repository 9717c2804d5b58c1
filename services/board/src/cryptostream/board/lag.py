"""Kafka lag: end offsets of `<exchange>-trades` less what the stream committed."""

from __future__ import annotations

import re
from logging import NullHandler, getLogger
from typing import TYPE_CHECKING, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptostream.board.market import Lag
from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.settings import kafka_options
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


class LagReader:
    """Asks Kafka without joining the group. Blocking, one call at a time: use it from a thread.

    A consumer asks, not an `AdminClient`: confluent-kafka 2.16's crashes the process when
    `list_offsets` meets a partition that has no leader yet.
    """

    def __init__(self, bootstrap_servers: str) -> None:
        quiet = getLogger(f"{__name__}.librdkafka")
        quiet.addHandler(NullHandler())
        quiet.propagate = False  # a broker that is down would fill the log; health says it once
        self._consumer = Consumer(
            {
                **kafka_options(bootstrap_servers),
                "group.id": STREAM_GROUP,
                "enable.auto.commit": False,
                "client.id": "cryptostream-board",
                "socket.timeout.ms": int(TIMEOUT_SECONDS * 1000),
            },
            logger=quiet,
        )

    def read(self) -> Lag:
        """Read the lag now; raises `LagError`."""
        try:
            partitions = self._partitions()
            marks = {at: self._watermarks(at) for at in partitions}
            return lag_of(
                {at: end for at, (_, end) in marks.items()},
                {at: start for at, (start, _) in marks.items()},
                self._committed(partitions),
            )
        except KafkaException as error:
            cause = error.args[0].name()
            raise LagError(f"Kafka can't be asked for the lag ({cause})") from error

    def _partitions(self) -> list[Partition]:
        topics = self._consumer.list_topics(timeout=TIMEOUT_SECONDS).topics
        return [
            (name, number)
            for name, topic in topics.items()
            if _TRADES.fullmatch(name)
            for number in topic.partitions
        ]

    def _watermarks(self, at: Partition) -> tuple[int, int]:
        start, end = self._consumer.get_watermark_offsets(
            TopicPartition(*at), timeout=TIMEOUT_SECONDS
        )
        return start, end

    def _committed(self, partitions: list[Partition]) -> dict[Partition, int]:
        asked = [TopicPartition(*at) for at in partitions]
        found = self._consumer.committed(asked, timeout=TIMEOUT_SECONDS) if asked else []
        return {(one.topic, one.partition): one.offset for one in found if one.offset >= 0}
