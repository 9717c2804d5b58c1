"""`crypto-alerts` as a consumer of a group, and the way to the dead letters. Blocking."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from confluent_kafka import Consumer, KafkaException, Message, Producer, TopicPartition

from cryptostream.alerts.model import Position
from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.messages import DeadLetter, encode
from cryptostream.contracts.topics import ALERTS, DEAD_LETTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.contracts.settings import KafkaSettings

log = logging.getLogger(__name__)

BATCH: Final = 200
READ_SECONDS: Final = 0.5
COMMIT_SECONDS: Final = 10.0
SESSION_MS: Final = 10_000
QUEUE_KBYTES: Final = 4_096


class KafkaLostError(CryptostreamError):
    """Kafka did not take what it has to take."""

    failure = Failure.TRANSIENT


class Record(NamedTuple):
    """A message as it stood in the topic."""

    topic: str
    position: Position
    value: bytes


class AlertTopic:
    """Reads the topic from what the group committed; commits only when told."""

    def __init__(self, settings: KafkaSettings, group: str, topic: str = ALERTS) -> None:
        self._options: dict[str, Any] = {**settings.client_options(), "client.id": group}
        self._topic = topic
        self._assigned = False
        self._paused = False
        self._consumer = Consumer(
            {
                **self._options,
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                # After a kill the next process waits for so long until the group forgets the last.
                "session.timeout.ms": SESSION_MS,
                "queued.max.messages.kbytes": QUEUE_KBYTES,
            },
            logger=log,
        )
        self._consumer.subscribe([topic], on_assign=self._on_assign, on_revoke=self._on_revoke)

    @property
    def is_assigned(self) -> bool:
        """Whether the group gave us the topic."""
        return self._assigned

    def read(self, *, paused: bool) -> list[Record]:
        """Give the next messages; none while paused, but the group goes on knowing us."""
        self._pause(paused=paused)
        found = self._consumer.consume(BATCH, timeout=READ_SECONDS)
        for message in found:
            if message.error() is not None:
                log.warning("kafka_error", extra={"fields": {"error": message.error()}})
        return [_record(message) for message in found if message.error() is None]

    def _pause(self, *, paused: bool) -> None:
        if paused == self._paused:
            return
        parts = self._consumer.assignment()
        (self._consumer.pause if paused else self._consumer.resume)(parts)
        self._paused = paused

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit the next offset of each partition; raises `KafkaLostError`."""
        wanted = [TopicPartition(self._topic, *item) for item in offsets.items()]
        try:
            self._consumer.commit(offsets=wanted, asynchronous=False)
        except KafkaException as error:
            raise KafkaLostError(f"Kafka did not take offsets: {error.args[0].name()}") from error

    def lag(self) -> int:
        """Count the messages that were not read yet, as far as the client knows."""
        behind = 0
        for part in self._consumer.position(self._consumer.assignment()):
            _, end = self._consumer.get_watermark_offsets(part, cached=True)
            behind += max(0, end - part.offset) if part.offset >= 0 else 0
        return behind

    def refuse(self, letter: DeadLetter) -> None:
        """Produce a dead letter and wait for it; raises `KafkaLostError`."""
        failed: list[object] = []
        producer = Producer({**self._options, "enable.idempotence": True}, logger=log)
        producer.produce(
            DEAD_LETTERS,
            encode(letter),
            letter.source,
            on_delivery=lambda error, _message: failed.append(error) if error else None,
        )
        if producer.flush(COMMIT_SECONDS) or failed:
            raise KafkaLostError("Kafka did not take a dead letter")

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _on_assign(self, _consumer: Consumer, parts: list[TopicPartition]) -> None:
        self._assigned, self._paused = bool(parts), False

    def _on_revoke(self, _consumer: Consumer, _parts: list[TopicPartition]) -> None:
        self._assigned = False


def _record(message: Message) -> Record:
    position = Position(message.partition() or 0, message.offset() or 0)
    return Record(message.topic() or "", position, message.value() or b"")
