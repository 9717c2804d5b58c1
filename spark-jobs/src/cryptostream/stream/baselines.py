"""What is usual: robust statistics in constant memory, cheap enough to keep for every symbol.

Median and MAD, because half of the samples may be shocks before they give way; a mean and a
standard deviation (also exponentially weighted ones) are moved by the very shock they are to
judge, and stay wide for as long as they remember it.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import deque
from math import exp
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

#: The MAD of a normal distribution times this is its standard deviation: 1 / Phi^-1(3/4).
MAD_TO_SIGMA: Final = 1.4826


class Baseline:
    """The newest `size` samples of one quantity, with their median and MAD.

    Samples are whole numbers (the caller's unit), so that they are stored short and exact.
    """

    __slots__ = ("_samples", "_size", "_sorted")

    def __init__(self, size: int, samples: Iterable[int] = ()) -> None:
        self._size = size
        self._samples = deque(samples, maxlen=size)
        self._sorted = sorted(self._samples)

    def __len__(self) -> int:
        return len(self._samples)

    def add(self, sample: int) -> None:
        """Take a sample, and forget the oldest if there are too many."""
        if len(self._samples) == self._size:
            del self._sorted[bisect_left(self._sorted, self._samples[0])]
        self._samples.append(sample)
        insort(self._sorted, sample)

    def samples(self) -> list[int]:
        """Give the samples, oldest first."""
        return list(self._samples)

    def median(self) -> float:
        """Give the median; 0 without samples."""
        values, count = self._sorted, len(self._sorted)
        if not count:
            return 0.0
        middle = count // 2
        return float(values[middle]) if count % 2 else (values[middle - 1] + values[middle]) / 2

    def mad(self) -> float:
        """Give the (upper) median of the absolute deviations from the median; 0 without samples.

        The samples nearest to the median stand side by side in sorted order. So the k-th
        smallest deviation is that of the tightest run of k + 1 of them, found by bisection.
        """
        values, count = self._sorted, len(self._sorted)
        if not count:
            return 0.0
        centre, span = self.median(), count // 2
        low, high = 0, count - 1 - span
        while low < high:
            middle = (low + high) // 2
            if values[middle + span] - centre < centre - values[middle]:
                low = middle + 1
            else:
                high = middle
        at_low = max(values[low + span] - centre, centre - values[low])
        if not low:
            return at_low
        return min(at_low, max(values[low - 1 + span] - centre, centre - values[low - 1]))


class Steps:
    """How a running quantile of positive numbers moves: up or down by a fixed factor a sample.

    For the quantile p, `log q` rises by gain * p after a sample above q and falls by
    gain * (1 - p) after one below: at rest just when a share p lies below (Robbins and Monro,
    1951). A sample moves it by its rank alone, so a whale of any size moves it as little as the
    next big trade does. `gain` shrinks to its final value while the quantile is young.
    """

    __slots__ = ("down", "gain", "share", "up")

    #: The gain of the n-th sample is at least this over n.
    YOUNG: Final = 10.0

    def __init__(self, share: float, gain: float) -> None:
        self.share = share
        self.gain = gain
        self.up, self.down = exp(gain * share), exp(gain * (share - 1.0))

    def young(self, quantile: float, sample: float, count: int) -> float:
        """Give the quantile after a sample, the `count`-th since it began."""
        gain = max(self.gain, self.YOUNG / (count + self.YOUNG))
        share = self.share if sample > quantile else self.share - 1.0
        return quantile * exp(gain * share)


#: Remembers some 200 trades.
USUAL: Final = Steps(0.5, 0.02)
#: Remembers some 1,000 trades: large ones are rare.
LARGE: Final = Steps(0.99, 0.05)
#: From this count on, the gain of both is final.
GROWN: Final = 500


class Spread(NamedTuple):
    """What is usual of one quantity: its centre, its robust standard deviation, from what."""

    centre: float
    sigma: float
    samples: int


def spread(baseline: Baseline, unit: float, floor: float) -> Spread:
    """Give centre and spread of samples counted in `unit`; the spread is at least `floor`."""
    sigma = MAD_TO_SIGMA * baseline.mad() * unit
    return Spread(baseline.median() * unit, max(sigma, floor), len(baseline))
