"""How far the incoming features are from those the model was trained on.

The population stability index of each feature over the card's histogram: the sum over bins of
(actual - expected) * ln(actual / expected). It is cheap and sampled, and shown, never acted upon:
features are autocorrelated, so two windows of one and the same market differ by far more than the
usual thresholds of 0.1 and 0.25. Compare it with its own past.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES
from cryptostream.contracts.psi import psi

if TYPE_CHECKING:
    from cryptostream.predictor.scorer import Rows

#: Of one scoring, so many rows are looked at, evenly spread.
SAMPLE_ROWS: Final = 256
#: Between two looks, so that many small calls cost no more than few large ones.
EVERY_SECONDS: Final = 0.25
#: Beyond so many rows the older ones fade: all counts are halved.
WINDOW_ROWS: Final = 20_000
#: Below it a value would be noise.
MIN_ROWS: Final = 1_000


class Histogram(msgspec.Struct, frozen=True):
    """Of the training rows: each feature's inner bin edges, and the share of rows in each bin."""

    edges: list[list[float]]
    shares: list[list[float]]

    def fits(self) -> bool:
        """Tell whether it has ordered edges and one more share than edges for each feature."""
        return len(self.edges) == len(self.shares) == FEATURE_COUNT and all(
            len(shares) == len(edges) + 1 and edges == sorted(edges)
            for edges, shares in zip(self.edges, self.shares, strict=True)
        )


class InputDrift:
    """Counts incoming values by the training histogram's bins; one per model in service."""

    def __init__(self, histogram: Histogram) -> None:
        self._shares = histogram.shares
        self._edges = [np.asarray(edges, dtype=np.float32) for edges in histogram.edges]
        self._counts = [np.zeros(len(shares)) for shares in histogram.shares]
        self._rows = 0.0
        self._looked = float("-inf")
        self._lock = threading.Lock()

    def observe(self, rows: Rows, now_seconds: float) -> None:
        """Count a sample of the rows, if the last look is long enough ago."""
        if now_seconds - self._looked < EVERY_SECONDS:
            return
        self._looked = now_seconds
        sample = rows[:: max(1, len(rows) // SAMPLE_ROWS)]
        with self._lock:
            if self._rows > WINDOW_ROWS:
                self._rows /= 2.0
                self._counts = [counts / 2.0 for counts in self._counts]
            self._rows += len(sample)
            for at, edges in enumerate(self._edges):
                bins = np.searchsorted(edges, sample[:, at], side="right")
                self._counts[at] += np.bincount(bins, minlength=len(edges) + 1)

    def values(self) -> dict[str, float]:
        """Give each feature's index; empty until `MIN_ROWS` have been looked at."""
        with self._lock:
            if self._rows < MIN_ROWS:
                return {}
            actual = [(counts / counts.sum()).tolist() for counts in self._counts]
        return {
            name: psi(expected, found)
            for name, expected, found in zip(FEATURE_NAMES, self._shares, actual, strict=True)
        }
