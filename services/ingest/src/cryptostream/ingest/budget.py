"""How often the exchange may be called on: new connections within a window. Pure.

Bybit takes at most 500 new connections within 5 minutes from one address and answers 403 beyond
(https://bybit-exchange.github.io/docs/v5/rate-limit); several processes may share the address,
so each keeps far below. Times are seconds of one monotonic clock, given by the caller.
"""

from __future__ import annotations

from collections import deque
from typing import Final

CONNECTIONS: Final = 100
WINDOW_SECONDS: Final = 300.0
#: The first pause after a handshake was forbidden; each further one doubles it.
FORBIDDEN_SECONDS: Final = 60.0
FORBIDDEN_CAP_SECONDS: Final = 600.0


class Budget:
    """The connections that all feeds of a process share."""

    def __init__(
        self,
        limit: int = CONNECTIONS,
        window: float = WINDOW_SECONDS,
        *,
        forbidden: float = FORBIDDEN_SECONDS,
        forbidden_cap: float = FORBIDDEN_CAP_SECONDS,
    ) -> None:
        self._limit = limit
        self._window = window
        self._forbidden = forbidden
        self._forbidden_cap = forbidden_cap
        # In ascending order; the newest ones may lie ahead, as promised to those that wait.
        self._booked: deque[float] = deque(maxlen=limit)
        self._closed_until = 0.0
        self._refusals = 0

    def book(self, now: float) -> float:
        """Book the next connection and give the seconds to wait for it."""
        start = max(now, self._closed_until, self._booked[-1] if self._booked else now)
        if len(self._booked) == self._limit:
            start = max(start, self._booked[0] + self._window)
        self._booked.append(start)
        return start - now

    def left(self, now: float) -> int:
        """Count the connections that may still be made without a wait for the budget."""
        return self._limit - sum(start > now - self._window for start in self._booked)

    def forbidden(self, now: float) -> None:
        """Note that the exchange refused a handshake; nobody asks again for a growing while."""
        if now < self._closed_until:
            return  # another feed was refused in the same breath
        pause = self._forbidden * 2.0 ** min(self._refusals, 32)
        self._refusals += 1
        self._closed_until = now + min(self._forbidden_cap, pause)

    def accepted(self) -> None:
        """Note a handshake that succeeded; the next refusal starts with a short pause again."""
        self._refusals = 0
