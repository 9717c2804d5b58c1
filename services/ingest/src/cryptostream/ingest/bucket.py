"""A token bucket: how many requests one may make in a window, with a small burst. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: The share of a window's requests that may go out at once; the rest trickles in.
BURST_SHARE: Final = 0.2


@dataclass(slots=True)
class TokenBucket:
    """At most `limit` requests in any `window` seconds, whatever the moment one looks.

    A bucket of b tokens that gains r a second lets b + r * window through in a window, so
    b + r * window = limit. Times are seconds of one monotonic clock, given by the caller.
    """

    limit: float
    window: float
    _tokens: float = field(default=0.0, init=False)
    _at: float | None = field(default=None, init=False)

    @property
    def burst(self) -> float:
        """How many requests may go out at once: at least one, or nothing would ever."""
        return max(1.0, self.limit * BURST_SHARE)

    def share(self, limit: float) -> None:
        """Change the limit, as when others begin or cease to share it."""
        self.limit = limit
        self._tokens = min(self._tokens, self.burst)

    def take(self, now: float) -> float:
        """Take a token and give 0.0, or take none and give the seconds until there is one."""
        rate = max(self.limit - self.burst, self.limit * BURST_SHARE) / self.window
        held = self.burst if self._at is None else self._tokens + (now - self._at) * rate
        self._tokens, self._at = min(self.burst, held), now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        return (1.0 - self._tokens) / rate
