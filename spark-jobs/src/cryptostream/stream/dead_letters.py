"""Dead letters of the stream: records it can't read, documents that Elasticsearch refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.contracts.messages import DeadLetter, encode
from cryptostream.contracts.topics import DEAD_LETTERS
from cryptostream.stream.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Iterable


class DeadLetters:
    """Produces dead letters; a batch calls `send` once, which returns when all are acknowledged."""

    def __init__(self, bootstrap_servers: str) -> None:
        self._outbox = Outbox(bootstrap_servers, DEAD_LETTERS)

    def send(self, letters: Iterable[DeadLetter]) -> int:
        """Produce and acknowledge all; gives their number. Raises `KafkaUnavailableError`.

        A replayed batch may send its letters again: a letter names its source's topic,
        partition and offset, so readers can tell.
        """
        return self._outbox.send((letter.source.encode(), encode(letter)) for letter in letters)
