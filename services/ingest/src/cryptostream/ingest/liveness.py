"""When a connection that looks open is dead: silence, missing pongs, missing answers. Pure.

All times are seconds of one monotonic clock, given by the caller. While the reader waits for
room in Kafka's queue it reads nothing, so that time counts against nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: No frame at all for so long, pongs included: the connection is dead.
SILENCE_SECONDS: Final = 30.0
PONG_DEADLINE_SECONDS: Final = 10.0
#: An answer to a subscription comes within a round trip; this is generous.
ACK_DEADLINE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Limits:
    """The deadlines of a connection, in seconds."""

    silence: float = SILENCE_SECONDS
    pong: float = PONG_DEADLINE_SECONDS
    ack: float = ACK_DEADLINE_SECONDS


DEFAULT_LIMITS: Final = Limits()


class Liveness:
    """What was heard when, and what follows from it."""

    def __init__(self, now: float, limits: Limits) -> None:
        self._limits = limits
        #: How long the reader waited for Kafka in all, seconds.
        self.blocked_seconds = 0.0
        self._heard = now
        self._ping_sent: float | None = None
        self._asked: float | None = None
        self._blocked: float | None = None

    @property
    def last_heard(self) -> float:
        """When the last frame came."""
        return self._heard

    @property
    def is_blocked(self) -> bool:
        """Whether the reader waits for Kafka now."""
        return self._blocked is not None

    def heard(self, now: float) -> None:
        """Note a frame of any kind."""
        self._heard = now

    def pinged(self, now: float) -> None:
        """Note a ping sent; an earlier one that is still unanswered keeps its deadline."""
        if self._ping_sent is None:
            self._ping_sent = now

    def ponged(self) -> None:
        """Note a pong."""
        self._ping_sent = None

    def asked(self, now: float) -> None:
        """Note requests sent; earlier ones that are still unanswered keep their deadline."""
        if self._asked is None:
            self._asked = now

    def progressed(self, now: float) -> None:
        """Note an answer after which others are due: they come in order, one after the other."""
        self._asked = now

    def awaits_since(self, now: float) -> float:
        """Give the seconds for which an answer is due; 0 if none is."""
        return 0.0 if self._asked is None else now - self._asked

    def answered(self) -> None:
        """Note that every request has its answer."""
        self._asked = None

    def blocked(self, now: float) -> None:
        """Note that the reader stopped reading."""
        self._blocked = now

    def unblocked(self, now: float) -> None:
        """Note that the reader reads again; every deadline moves by the time it didn't."""
        if self._blocked is None:
            return
        lost = now - self._blocked
        self._blocked = None
        self.blocked_seconds += lost
        self._heard += lost
        if self._ping_sent is not None:
            self._ping_sent += lost
        if self._asked is not None:
            self._asked += lost

    def verdict(self, now: float) -> str | None:
        """Give the cause for which the connection must be given up, or None."""
        if self._blocked is not None:
            return None
        if self._asked is not None and now - self._asked > self._limits.ack:
            return "unacknowledged"
        if self._ping_sent is not None and now - self._ping_sent > self._limits.pong:
            return "pong_missing"
        if now - self._heard > self._limits.silence:
            return "silence"
        return None
