"""A circuit breaker: leave a failing callee alone for a while. Pure: the clock is an argument."""

from __future__ import annotations


class CircuitBreaker:
    """Open for a growing, capped time after each failure in a row; closed by a success."""

    def __init__(self, *, first_seconds: float = 0.5, cap_seconds: float = 5.0) -> None:
        self._first = first_seconds
        self._cap = cap_seconds
        self._pause = first_seconds
        self._open_until = 0.0

    def allows(self, now: float) -> bool:
        """Tell whether a call may be tried at `now` (monotonic seconds)."""
        return now >= self._open_until

    def succeeded(self) -> None:
        """Close the circuit."""
        self._pause = self._first

    def failed(self, now: float) -> None:
        """Open the circuit for twice as long as the last time, up to the cap."""
        self._open_until = now + self._pause
        self._pause = min(self._cap, self._pause * 2.0)
