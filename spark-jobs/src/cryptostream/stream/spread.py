"""Weighted mean and standard deviation of a window that one more value completes. Pure."""

from __future__ import annotations

from math import fsum, sqrt
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Spread(NamedTuple):
    """Sum of weights, mean, and weighted sum of squared distances from the mean."""

    weight: float
    mean: float
    squares: float

    @staticmethod
    def of(values: Sequence[float], weights: Sequence[float]) -> Spread:
        """Summarise at least one value, in two passes: a large level costs no digits."""
        weight = fsum(weights)
        pairs = list(zip(values, weights, strict=True))
        mean = fsum([w * v for v, w in pairs]) / weight
        return Spread(weight, mean, fsum([w * (v - mean) * (v - mean) for v, w in pairs]))

    def completed(self, value: float, weight: float) -> tuple[float, float]:
        """Give mean and standard deviation (of the population) with one more value.

        The update of D. H. D. West, Communications of the ACM 22(9), 1979.
        """
        total = self.weight + weight
        distance = value - self.mean
        mean = self.mean + distance * weight / total
        squares = self.squares + distance * distance * self.weight * weight / total
        return mean, sqrt(squares / total)
