"""The two running averages that indicators are made of. Pure.

Both begin with the plain mean of their first `period` values, as TA-Lib has it (its default
compatibility, unstable period 0): a later start shifts the values, and the shift dies out.
"""

from __future__ import annotations


class Average:
    """An exponential average seeded with a plain mean: `y <- y + weight * (x - y)`.

    `peek` gives what `push` would leave behind, or None while it warms up.
    """

    __slots__ = ("_period", "_seen", "_skip", "_value", "_weight")

    def __init__(self, period: int, weight: float, *, skip: int = 0) -> None:
        """Start cold; the first `skip` values are left out of the seed."""
        self._period = period
        self._weight = weight
        self._skip = skip
        self._seen = -skip
        #: The sum of the seed until there are `period` values, the average from then on.
        self._value = 0.0

    def peek(self, value: float) -> float | None:
        """Give the average as it would be after one more value."""
        if self._seen >= self._period:
            return self._value + self._weight * (value - self._value)
        if self._seen == self._period - 1:
            return (self._value + value) / self._period
        return None

    def push(self, value: float) -> float | None:
        """Take a value in; give the average, None while it warms up."""
        average = self.peek(value)
        if average is not None:
            self._value = average
        elif self._seen >= 0:
            self._value += value
        self._seen = min(self._seen + 1, self._period)
        return average

    def state(self) -> list[float]:
        """Give what `restore` needs: how many values it saw (bounded), and its value."""
        return [self._seen, self._value]

    def restore(self, state: list[float]) -> None:
        """Go on where another one of the same parameters was."""
        self._seen, self._value = int(state[0]), float(state[1])


def exponential(period: int, *, skip: int = 0) -> Average:
    """Give the usual exponential moving average, weight 2 / (period + 1)."""
    return Average(period, 2.0 / (period + 1), skip=skip)


def wilder(period: int) -> Average:
    """Give Wilder's smoothing, weight 1 / period (New Concepts in Technical Trading, 1978)."""
    return Average(period, 1.0 / period)
