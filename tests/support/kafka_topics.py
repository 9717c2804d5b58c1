"""Topics of a test's own, and what was written to a topic since the test began."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from uuid import uuid4

from confluent_kafka import OFFSET_END, Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from support.eventually import eventually

if TYPE_CHECKING:
    from confluent_kafka import Message

READ_SECONDS = 2.0


def new_topic(bootstrap: str, *, partitions: int = 1) -> str:
    """Create a topic that no other test knows."""
    return topic_named(bootstrap, f"test-{uuid4().hex[:12]}", partitions=partitions)


def topic_named(bootstrap: str, name: str, *, partitions: int = 1) -> str:
    """Create a topic, and give its name."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    (created,) = admin.create_topics([NewTopic(name, partitions, 1)]).values()
    created.result(timeout=30)
    return name


def empty_topic(bootstrap: str, topic: str, *, partitions: int = 1) -> None:
    """Delete all messages of a topic, so that a test begins as if nobody had run before."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    ends = [TopicPartition(topic, number, OFFSET_END) for number in range(partitions)]
    for deleted in admin.delete_records(ends).values():
        deleted.result(timeout=30)


class TopicReader:
    """Collects the messages written to a topic after this object was made."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self.messages: list[Message] = []
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"test-{uuid4().hex}",
                "enable.auto.commit": False,
            }
        )
        self._consumer.assign(eventually(lambda: self._ends(topic), within=30))

    def _ends(self, topic: str) -> list[TopicPartition]:
        """Give the end of each partition; nothing yet while a new topic has no leaders."""
        try:
            known = self._consumer.list_topics(topic, timeout=10).topics[topic]
            ends = [TopicPartition(topic, number) for number in known.partitions]
            for end in ends:
                _, end.offset = self._consumer.get_watermark_offsets(end, timeout=10)
        except KafkaException:
            return []
        return ends

    def read(self, wait_seconds: float = 0.1) -> list[Message]:
        """Take in what has arrived and give all messages so far; a steady flow ends it too."""
        deadline = time.monotonic() + READ_SECONDS
        while time.monotonic() < deadline:
            batch = self._consumer.consume(1000, timeout=wait_seconds)
            if not batch:
                break
            for message in batch:
                assert message.error() is None, message.error()
                self.messages.append(message)
        return self.messages

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()
