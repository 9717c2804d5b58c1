"""What of a flow is in Kafka: by offsets while it runs, by trade ids when it has ended."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from uuid import uuid4

import msgspec
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._listoffsets import OffsetSpec
from confluent_kafka.cimpl import NewTopic

from bench_ingest.frames import FIRST_ID

if TYPE_CHECKING:
    from collections.abc import Iterable

PARTITIONS: Final = 4
_TIMEOUT_SECONDS: Final = 30.0
_READ_SECONDS: Final = 600.0

_LATEST: Final[OffsetSpec] = OffsetSpec.latest()  # type: ignore[no-untyped-call]

Offsets = dict[tuple[str, int], int]


class _Record(msgspec.Struct):
    """The id, under each name that one of the clients gives it."""

    trade_id: str = ""
    id: str = ""
    i: str = ""


_RECORD: Final = msgspec.json.Decoder(_Record)


class Records:
    """The records of some topics."""

    def __init__(self, bootstrap: str, topics: Iterable[str]) -> None:
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        known = self._admin.list_topics(timeout=_TIMEOUT_SECONDS).topics
        topics = tuple(topics)
        new = [NewTopic(name, PARTITIONS, 1) for name in topics if name not in known]
        if new:
            for created in self._admin.create_topics(new).values():
                created.result(_TIMEOUT_SECONDS)
        self._parts = [
            TopicPartition(name, number) for name in topics for number in range(PARTITIONS)
        ]

    def ends(self) -> Offsets:
        """Ask where each partition ends now."""
        asked = self._admin.list_offsets(
            dict.fromkeys(self._parts, _LATEST), request_timeout=_TIMEOUT_SECONDS
        )
        return {
            (part.topic, part.partition): found.result(_TIMEOUT_SECONDS).offset
            for part, found in asked.items()
        }

    def distinct(self, start: Offsets, end: Offsets, first: int, count: int) -> int:
        """Count the trades numbered [first, first + count) that stand between the offsets."""
        seen = bytearray(count)
        for value in self._between(start, end):
            record = _RECORD.decode(value)
            number = int(record.trade_id or record.id or record.i) - FIRST_ID - first
            if 0 <= number < count:
                seen[number] = 1
        return sum(seen)

    def _between(self, start: Offsets, end: Offsets) -> Iterable[bytes]:
        left = sum(end.values()) - sum(start.values())
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": f"bench-{uuid4().hex}",
                "enable.auto.commit": False,
            }
        )
        consumer.assign([TopicPartition(*place, offset) for place, offset in start.items()])
        deadline = time.monotonic() + _READ_SECONDS
        try:
            while left > 0 and time.monotonic() < deadline:
                for message in consumer.consume(10_000, timeout=0.5):
                    if message.error() is None and message.value() is not None:
                        left -= 1
                        yield message.value() or b""
        finally:
            consumer.close()
