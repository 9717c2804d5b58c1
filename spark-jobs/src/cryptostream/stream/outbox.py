"""Messages into Kafka, each acknowledged by all in-sync replicas before the call returns."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaException, Producer

from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.settings import kafka_options

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

#: A broker's restart and an election take less; a batch does not wait longer for its messages.
SEND_SECONDS: Final = 30.0
_FULL_QUEUE_POLL_SECONDS: Final = 0.1


class KafkaUnavailableError(CryptostreamError):
    """Kafka did not take the messages in time; the batch must not be committed."""

    failure = Failure.TRANSIENT


class Outbox:
    """Produces to one topic; not for use by several threads at once.

    A batch that is replayed sends its messages again, so each must tell readers who it is.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        topic: str,
        *,
        within: float = SEND_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topic = topic
        self._within = within
        self._clock = clock
        self._failed = 0
        self._producer = Producer(
            {
                **kafka_options(bootstrap_servers),
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 5,
                "delivery.timeout.ms": int(within * 1_000),
            }
        )

    def send(self, messages: Iterable[tuple[bytes, bytes]]) -> int:
        """Produce (key, value) pairs and wait for Kafka's word on each; gives their number.

        Raises `KafkaUnavailableError` if one was refused or the time is up; what then still
        waits in the client is dropped, so that a later call doesn't send it.
        """
        count, self._failed = 0, 0
        deadline = self._clock() + self._within
        for key, value in messages:
            self._produce(key, value, deadline)
            count += 1
        if count and (self._producer.flush(max(0.0, deadline - self._clock())) or self._failed):
            self._give_up(f"{count} messages")
        return count

    def _produce(self, key: bytes, value: bytes, deadline: float) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key=key, on_delivery=self._delivered)
            except BufferError:
                if self._clock() > deadline:
                    self._give_up("a full queue")
                self._producer.poll(_FULL_QUEUE_POLL_SECONDS)
            except KafkaException as error:
                self._give_up(str(error))
            else:
                self._producer.poll(0)
                return

    def _give_up(self, what: str) -> None:
        self._producer.purge()
        self._producer.poll(0)
        raise KafkaUnavailableError(f"Kafka did not take {what} for {self._topic}")

    def _delivered(self, error: object, _message: object) -> None:
        self._failed += error is not None
