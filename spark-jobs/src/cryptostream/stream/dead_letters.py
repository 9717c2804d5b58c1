"""Dead letters of the stream: records it can't read, documents that Elasticsearch refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer

from cryptostream.contracts import topics
from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.messages import DeadLetter, encode
from cryptostream.contracts.settings import kafka_options

if TYPE_CHECKING:
    from collections.abc import Iterable

FLUSH_SECONDS: Final = 30.0


class DeadLettersUnavailableError(CryptostreamError):
    """Kafka did not take the dead letters in time; the batch must not be committed."""

    failure = Failure.TRANSIENT


class DeadLetters:
    """Produces dead letters; a batch calls `send` once, which returns when all are acknowledged."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._producer = Producer(
            {**kafka_options(bootstrap_servers), "enable.idempotence": True, "linger.ms": 5}
        )
        self._failed = 0

    def send(self, letters: Iterable[DeadLetter]) -> int:
        """Produce and acknowledge all; gives their number.

        A replayed batch may send its letters again: a letter names its source's topic,
        partition and offset, so readers can tell.
        """
        count = 0
        self._failed = 0
        for letter in letters:
            self._producer.produce(
                topics.DEAD_LETTERS,
                encode(letter),
                key=letter.source.encode(),
                on_delivery=self._delivered,
            )
            self._producer.poll(0)
            count += 1
        if count and (self._producer.flush(FLUSH_SECONDS) or self._failed):
            raise DeadLettersUnavailableError(f"Kafka did not take {count} dead letters")
        return count

    def _delivered(self, error: object, _message: object) -> None:
        self._failed += error is not None
