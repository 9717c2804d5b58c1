"""What the room speaks of: events, who wants them, and what became of a delivery. Pure."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

import msgspec

from cryptostream.contracts.messages import Severity

Source = Literal["market", "pipeline"]
State = Literal["queued", "sending", "unsure", "sent", "dropped"]
Kind = Literal["alert", "digest", "quiet"]

RANKS: Final[dict[str, int]] = {"info": 0, "warning": 1, "critical": 2}
#: Longest wait of a quiet night plus a long outage.
DAY_MS: Final = 86_400_000


class Event(msgspec.Struct, frozen=True):
    """Something that people may want to hear of. `time` is epoch milliseconds, UTC.

    Attributes:
        event_id: the same in every telling; a second telling changes nothing.
        subject: what it is about, for the cooldown: a symbol, or the alarm's fingerprint.
        value: with `baseline` and `threshold`: None for an alarm, which carries no numbers.
        link: where the sender explains it, such as a runbook.
        resolved: an alarm that ended.
    """

    event_id: str
    source: Source
    rule: str
    severity: Severity
    exchange: str
    category: str
    symbol: str
    subject: str
    time: int
    message: str
    value: float | None = None
    baseline: float | None = None
    threshold: float | None = None
    evidence: dict[str, float] = {}
    link: str = ""
    resolved: bool = False

    @property
    def key(self) -> str:
        """What shares one cooldown."""
        return f"{self.rule}/{self.subject}/{'resolved' if self.resolved else 'firing'}"


class Target(NamedTuple):
    """One chat of one channel."""

    channel: str
    chat: str


class Subscription(msgspec.Struct, frozen=True):
    """What a chat wants to hear; empty lists mean all.

    Attributes:
        severity: this one and graver ones.
        quiet: daily hours of silence, `22:00-07:00`, in the service's time zone; empty for none.
    """

    symbols: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    severity: Severity = "warning"
    quiet: str = ""


class Mute(NamedTuple):
    """Silence until a time; an empty rule or symbol stands for any."""

    until_ms: int
    rule: str = ""
    symbol: str = ""


class Position(NamedTuple):
    """Where in `crypto-alerts` an event stood."""

    partition: int
    offset: int


class Bar(NamedTuple):
    """A candle as it is drawn; `start` is epoch milliseconds."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Parcel(NamedTuple):
    """A message that is to go out.

    Attributes:
        number: of the message in the outbox.
        floor: the newest message of the mailbox when it was last tried; 0 if never.
    """

    number: int
    target: Target
    kind: Kind
    state: State
    attempts: int
    due_ms: int
    expires_ms: int
    floor: int
    plain: bool


class Told(NamedTuple):
    """An event in a message, with how many of its kind the cooldown held back before it."""

    event: Event
    suppressed: int


class Receipt(NamedTuple):
    """What became of one event on its way to one chat; `revision` guards its being written."""

    row: int
    revision: int
    event: Event
    target: Target
    state: Literal["sent", "retried", "dropped"]
    reason: str
    attempts: int
    changed_ms: int
