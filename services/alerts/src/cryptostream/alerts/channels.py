"""What a channel must do, and the two plain ones: standard output and a webhook."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TextIO

import httpx
import msgspec

from cryptostream.alerts.text import Content, as_plain

if TYPE_CHECKING:
    from cryptostream.alerts.model import Parcel, Told

WEBHOOK_SECONDS: Final = 10.0
_TOO_MANY: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500
MAX_RETRY_AFTER_SECONDS: Final = 3_600.0


@dataclass(frozen=True, slots=True)
class Sent:
    """It arrived; `number` is what the channel calls it, 0 if it has no names."""

    number: int = 0


@dataclass(frozen=True, slots=True)
class Retry:
    """It did not arrive, or nobody knows.

    Attributes:
        after_ms: what the other side asked for; None for our own back-off.
        unsure: whether it may have arrived.
        plain: whether the next try should do without markup and picture.
    """

    reason: str
    after_ms: int | None = None
    unsure: bool = False
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never arrive; the reason is a short stable code."""

    reason: str


Outcome = Sent | Retry | Refused


@dataclass(frozen=True, slots=True)
class Letter:
    """A message in a form that a channel can send; `key` is the same in each try."""

    parcel: Parcel
    key: str
    content: Content
    tellings: tuple[Told, ...]
    picture: bytes | None = None


class Channel(Protocol):
    """A way to people."""

    name: str
    takes_pictures: bool

    def next_ms(self, chat: str, now_ms: int) -> int:
        """Give the earliest time at which a message may go to a chat."""

    def floor(self, chat: str) -> int:
        """Give what `find` has to know of the time before a message is sent."""

    async def send(self, letter: Letter) -> Outcome:
        """Send; raises nothing that the network may cause."""

    async def find(self, letter: Letter) -> Outcome | None:
        """Look for a message that may have arrived; None if it certainly did not."""


class _Plain:
    """A channel without limits, pictures and memory."""

    takes_pictures = False

    def next_ms(self, chat: str, now_ms: int) -> int:
        """Never wait."""
        del chat
        return now_ms

    def floor(self, chat: str) -> int:
        """Remember nothing."""
        del chat
        return 0

    async def find(self, letter: Letter) -> Outcome | None:
        """Send it again: the key tells a repetition."""
        del letter
        return None


class Stdout(_Plain):
    """Messages as lines of JSON on standard output; never refuses."""

    name = "stdout"

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    async def send(self, letter: Letter) -> Outcome:
        """Write one line."""
        line = {"key": letter.key, "text": as_plain(letter.content)}
        self._stream.write(msgspec.json.encode(line).decode() + "\n")
        self._stream.flush()
        return Sent()


class Webhook(_Plain):
    """Messages as JSON by POST to one URL, with an Idempotency-Key."""

    name = "webhook"

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = url
        self._client = client

    async def send(self, letter: Letter) -> Outcome:
        """Post it: any 2xx is an arrival."""
        body = {
            "key": letter.key,
            "kind": letter.parcel.kind,
            "text": as_plain(letter.content),
            "events": [told.event for told in letter.tellings],
        }
        headers = {"Content-Type": "application/json", "Idempotency-Key": letter.key}
        try:
            answer = await self._client.post(
                self._url,
                content=msgspec.json.encode(body),
                headers=headers,
                timeout=WEBHOOK_SECONDS,
            )
        except httpx.HTTPError as error:
            return Retry(type(error).__name__.lower(), unsure=True)
        return _outcome(answer)


def _outcome(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if answer.is_success:
        return Sent()
    if status in _TOO_MANY or status >= _SERVER_ERROR:
        asked = answer.headers.get("retry-after", "")
        after = min(float(asked), MAX_RETRY_AFTER_SECONDS) if asked.isdecimal() else None
        return Retry(f"http_{status}", None if after is None else round(after * 1000))
    return Refused(f"http_{status}")
