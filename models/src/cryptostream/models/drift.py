"""Whether the market or the model's luck has changed: two detectors, both alarms only. Pure.

`WindowDrift` compares a feature's window with the one before by the population stability index.
Trades are autocorrelated, so two windows of an unchanged market differ by 0.1 to 1.6 easily; the
usual thresholds would always ring. The threshold is the feature's own past: the 99th percentile of
the index between neighbouring windows.

`Adwin` watches the mean of a series (Bifet and Gavalda, SIAM SDM 2007, section 3): if two parts of
its window have means further apart than chance allows, the older part is dropped. It is fed means
of one minute, not rows: rows of one minute share their future and would look like evidence.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from math import log, sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from cryptostream.contracts.features import FEATURE_NAMES
from cryptostream.contracts.psi import psi

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

BINS: Final = 10
MIN_ROWS: Final = 500
#: Of its own past, before a feature's threshold means anything, and at most.
MIN_HISTORY: Final = 50
MAX_HISTORY: Final = 2_000
QUANTILE: Final = 0.99
ADWIN_DELTA: Final = 0.002
#: A day of minutes.
ADWIN_MAX: Final = 1_440
#: Each part of the window has at least so many minutes.
ADWIN_MIN_PART: Final = 5

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Finding:
    """One value of a detector; an alarm if it is above its threshold.

    `threshold` is None as long as the past is too short to tell one.
    """

    feature: str
    detector: str
    value: float
    threshold: float | None

    @property
    def alarm(self) -> bool:
        """Tell whether the value is above its threshold."""
        return self.threshold is not None and self.value > self.threshold

    def document(self, time_ms: int, window: str) -> dict[str, Any]:
        """Give the document of the kind `drift`."""
        document = {
            "time": time_ms,
            "window": window,
            "feature": self.feature,
            "detector": self.detector,
            "value": self.value,
            "alarm": self.alarm,
            "v": 1,
        }
        return document if self.threshold is None else {**document, "threshold": self.threshold}


class WindowDrift:
    """Compares each window's feature vectors with the window before.

    Args:
        history: earlier values by feature, as they were written, so that a restart forgets nothing.
    """

    def __init__(self, history: Mapping[str, Iterable[float]]) -> None:
        self._before: Vectors | None = None
        self._history = {
            name: deque(history.get(name, ()), maxlen=MAX_HISTORY) for name in FEATURE_NAMES
        }

    def compare(self, rows: Vectors) -> list[Finding]:
        """Give a finding for each feature; none for the first window or for too few rows."""
        before, self._before = self._before, rows if len(rows) >= MIN_ROWS else None
        if before is None or self._before is None:
            return []
        findings = []
        for at, name in enumerate(FEATURE_NAMES):
            value = _psi(before[:, at], rows[:, at])
            past = self._history[name]
            enough = len(past) >= MIN_HISTORY
            threshold = float(np.quantile(past, QUANTILE)) if enough else None
            findings.append(Finding(name, "psi", value, threshold))
            past.append(value)
        return findings


class Adwin:
    """An adaptive window over a series; `add` tells when its mean has changed.

    Values are bounded by what the window itself spans, so the series needs no known range.
    """

    def __init__(self, name: str, delta: float = ADWIN_DELTA) -> None:
        self._name = name
        self._delta = delta
        self._values: deque[float] = deque(maxlen=ADWIN_MAX)

    def add(self, value: float) -> Finding:
        """Take the next value; the finding's value is the largest excess over its own bound.

        It is (difference of means) / (bound of chance), so its threshold is 1. After an alarm the
        older part is forgotten.
        """
        self._values.append(value)
        ratio, cut = _widest(np.array(self._values), self._delta)
        if ratio > 1.0:
            for _ in range(cut):
                self._values.popleft()
        return Finding(self._name, "adwin", ratio, 1.0)

    def __len__(self) -> int:
        return len(self._values)


def _widest(values: npt.NDArray[np.float64], delta: float) -> tuple[float, int]:
    """Find the cut whose parts differ most, in units of the bound (equation 3.1 of the paper)."""
    count = len(values)
    if count < 2 * ADWIN_MIN_PART:
        return 0.0, 0
    cuts = np.arange(ADWIN_MIN_PART, count - ADWIN_MIN_PART + 1)
    sums = np.cumsum(values)
    left = sums[cuts - 1] / cuts
    right = (sums[-1] - sums[cuts - 1]) / (count - cuts)
    size = 1.0 / (1.0 / cuts + 1.0 / (count - cuts))
    spread = float(values.max() - values.min())
    chance = log(2.0 * log(count) / delta)
    bound = (
        np.sqrt(2.0 / size * float(values.var()) * chance) + 2.0 / (3.0 * size) * chance * spread
    )
    if spread <= sqrt(np.finfo(float).tiny):
        return 0.0, 0
    ratios = np.abs(left - right) / bound
    best = int(ratios.argmax())
    return float(ratios[best]), int(cuts[best])


def _psi(before: npt.NDArray[np.float32], after: npt.NDArray[np.float32]) -> float:
    edges = np.unique(np.quantile(before, np.linspace(0, 1, BINS + 1)[1:-1]))
    shares = [
        (
            np.bincount(np.searchsorted(edges, rows, side="right"), minlength=len(edges) + 1)
            / len(rows)
        )
        for rows in (before, after)
    ]
    return psi(shares[0].tolist(), shares[1].tolist())
