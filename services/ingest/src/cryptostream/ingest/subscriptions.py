"""Which topics are asked for, granted and refused on one connection. Pure.

An acknowledgement names its request only, and one bad topic refuses the whole request. So a
refused request of several topics is asked again topic by topic, which singles the bad one out.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.ingest.protocol import Ack, Refusal, in_chunks, refusal, subscribe_request

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class SubscriptionRefusedError(CryptostreamError):
    """The exchange refused a topic for a reason that may pass."""

    failure = Failure.TRANSIENT


class Subscriptions:
    """The subscriptions of one connection.

    Attributes:
        granted: topics whose request was acknowledged.
        refused: topics that the exchange doesn't know, with its words.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        self.granted: set[str] = set()
        self.refused: dict[str, str] = {}
        self._topics = tuple(topics)
        self._asked: dict[str, Sequence[str]] = {}
        self._req_ids = count(1)

    @property
    def complete(self) -> bool:
        """Whether every request got its answer and at least one topic was granted."""
        return not self._asked and bool(self.granted)

    @property
    def awaited(self) -> int:
        """How many requests have no answer yet."""
        return len(self._asked)

    def open_requests(self) -> list[bytes]:
        """Render the requests that open the connection's subscriptions."""
        return [self._ask(chunk) for chunk in in_chunks(self._topics)]

    def on_ack(self, ack: Ack) -> list[bytes]:
        """Take an answer in and give the requests that follow from it.

        Raises `SubscriptionRefusedError` if a topic was refused for a reason that may pass.
        """
        topics = self._asked.pop(ack.req_id, ())
        if ack.success:
            self.granted.update(topics)
            return []
        if len(topics) > 1:
            return [self._ask([topic]) for topic in topics]
        for topic in topics:
            self._settle(topic, ack.ret_msg)
        return []

    def _settle(self, topic: str, ret_msg: str) -> None:
        match refusal(ret_msg):
            case Refusal.DUPLICATE:
                self.granted.add(topic)
            case Refusal.BAD_TOPIC:
                self.refused[topic] = ret_msg
            case Refusal.OTHER:
                raise SubscriptionRefusedError(f"{topic} was refused: {ret_msg[:200]!r}")

    def _ask(self, topics: Sequence[str]) -> bytes:
        req_id = f"subscribe-{next(self._req_ids)}"
        self._asked[req_id] = topics
        return subscribe_request(req_id, topics)
