"""Which topics are asked for, granted and refused on one connection. Pure.

An acknowledgement names its request only, and one bad topic refuses the whole request. So a
refused request of several topics is asked again topic by topic, which singles the bad one out.
What is wanted may change at any time, also while requests are on their way: every answer is
followed by the requests that still separate what is granted from what is wanted.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.ingest.protocol import (
    Ack,
    Refusal,
    in_chunks,
    refusal,
    subscribe_request,
    unsubscribe_request,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

#: A symbol that the exchange doesn't grant now may be granted soon: asked again ever later.
RETRY_SECONDS: Final = 30.0
RETRY_CAP_SECONDS: Final = 3600.0


class SubscriptionRefusedError(CryptostreamError):
    """The exchange granted no topic, for a reason that may pass."""

    failure = Failure.TRANSIENT
    cause = "refused"


@dataclass(frozen=True, slots=True)
class _Request:
    op: str
    topics: Sequence[str]


class Subscriptions:
    """The subscriptions of one connection.

    Attributes:
        granted: topics whose request was acknowledged.
        refused: topics that the exchange doesn't grant, with its words.
    """

    def __init__(self, topics: Iterable[str]) -> None:
        self.granted: set[str] = set()
        self.refused: dict[str, str] = {}
        self._wanted = dict.fromkeys(topics)
        self._asked: dict[str, _Request] = {}
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
        """Render the requests that bring what is granted to what is wanted."""
        busy = {topic for request in self._asked.values() for topic in request.topics}
        busy.update(self.refused)
        more = [t for t in self._wanted if t not in self.granted and t not in busy]
        less = sorted(self.granted - self._wanted.keys() - busy)
        asked = [self._ask("unsubscribe", chunk) for chunk in in_chunks(less)]
        return asked + [self._ask("subscribe", chunk) for chunk in in_chunks(more)]

    def want(self, topics: Collection[str]) -> list[bytes]:
        """Change what is wanted and give the requests that follow.

        Topics that were refused are asked for again if they are among the wanted ones.
        """
        self._wanted = dict.fromkeys(topics)
        self.refused.clear()
        return self.open_requests()

    def again(self, topics: Collection[str]) -> list[bytes]:
        """Leave these granted topics and ask for them anew, once the exchange let go of them."""
        granted = sorted(self.granted.intersection(topics))
        busy = {topic for request in self._asked.values() for topic in request.topics}
        return [
            self._ask("unsubscribe", chunk)
            for chunk in in_chunks([topic for topic in granted if topic not in busy])
        ]

    def on_ack(self, ack: Ack) -> list[bytes]:
        """Take an answer in and give the requests that follow from it.

        Raises `SubscriptionRefusedError` if the last topic was refused for a reason that may
        pass, and none was granted. Beside granted ones a refused topic costs nobody else.
        """
        request = self._asked.pop(ack.req_id, None)
        if request is None:
            return []
        if request.op == "unsubscribe":
            # Refused or not, we are rid of them: what was not subscribed can't be left.
            self.granted.difference_update(request.topics)
        elif ack.success:
            self.granted.update(request.topics)
        elif len(request.topics) > 1:
            wanted = [topic for topic in request.topics if topic in self._wanted]
            return [self._ask("subscribe", [topic]) for topic in wanted] + self.open_requests()
        else:
            self._settle(request.topics[0], ack.ret_msg)
        return self.open_requests()

    def _settle(self, topic: str, ret_msg: str) -> None:
        match refusal(ret_msg):
            case Refusal.DUPLICATE:
                self.granted.add(topic)
            case Refusal.BAD_TOPIC:
                self.refused[topic] = ret_msg
            case Refusal.OTHER if self.granted or self._asked:
                self.refused[topic] = ret_msg
            case Refusal.OTHER:
                raise SubscriptionRefusedError(f"{topic} was refused: {ret_msg[:200]!r}")

    def _ask(self, op: str, topics: Sequence[str]) -> bytes:
        req_id = f"{op}-{next(self._req_ids)}"
        self._asked[req_id] = _Request(op, topics)
        render = subscribe_request if op == "subscribe" else unsubscribe_request
        return render(req_id, topics)


class Refusals:
    """The topics that the exchange refused, over all connections of a feed, and when to retry."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self._times: dict[str, int] = {}
        self._due: dict[str, float] = {}

    def add(self, topic: str, text: str, now: float) -> None:
        """Note a refusal; `now` is seconds of a monotonic clock."""
        times = self._times.get(topic, 0)
        self.texts[topic] = text
        self._times[topic] = times + 1
        self._due[topic] = now + min(RETRY_CAP_SECONDS, RETRY_SECONDS * 2.0 ** min(times, 32))

    def take_due(self, now: float) -> list[str]:
        """Give the topics to ask for again, and count them as refused no longer."""
        due = [topic for topic, at in self._due.items() if at <= now]
        for topic in due:
            del self._due[topic], self.texts[topic]
        return due

    def settle(self, topics: Iterable[str]) -> None:
        """Forget the refusals of topics that were granted or are wanted no more."""
        for topic in topics:
            self.texts.pop(topic, None)
            self._times.pop(topic, None)
            self._due.pop(topic, None)
