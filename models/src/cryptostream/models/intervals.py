"""Scores of probabilities with block-bootstrap intervals: the arithmetic. Pure.

Neighbouring rows share most of their future and of their features, so a plain bootstrap is four
times too sure of itself; whole blocks of time are resampled instead. All models of a report are
resampled with the same blocks, so differences between them are paired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cryptostream.models.labels import Labels
    from cryptostream.models.trades import Floats, Ints

BLOCK_MS: Final = 300_000
#: A short sample gets shorter blocks, so that about this many remain ...
WANTED_BLOCKS: Final = 20
#: ... but never shorter than this many horizons, else blocks share their answers.
MIN_BLOCK_HORIZONS: Final = 5
RESAMPLES: Final = 500
CONFIDENCE: Final = 0.95
#: A resampled AUC sees probabilities in this many classes of equal mass; the value itself is exact.
AUC_CLASSES: Final = 1_024
_TINY: Final = 1e-7


class Estimate(NamedTuple):
    """A score with its interval; `low` and `high` bound it at `CONFIDENCE`."""

    value: float
    low: float
    high: float


class Blocks:
    """Rows cut into blocks of time, and draws of those blocks with replacement.

    Args:
        time_ms: of the rows, at least one.
        horizon_ms: of the label; bounds the blocks from below.
        seed: of the draws.
        fold: which test each row belongs to; none makes it one.
    """

    def __init__(
        self,
        time_ms: Ints,
        horizon_ms: int,
        seed: int,
        fold: npt.NDArray[np.int8] | None = None,
    ) -> None:
        self._fold = np.zeros(len(time_ms), dtype=np.int8) if fold is None else fold
        self.length_ms = block_length_ms(time_ms, horizon_ms)
        self.of_row: npt.NDArray[np.intp] = np.unique(
            (time_ms - time_ms.min()) // self.length_ms, return_inverse=True
        )[1]
        self.count = int(self.of_row.max()) + 1
        rng = np.random.default_rng(seed)
        chances = np.full(self.count, 1.0 / self.count)
        #: (RESAMPLES, count): how often each draw holds each block.
        self._draws: Floats = rng.multinomial(self.count, chances, RESAMPLES).astype(np.float64)

    def sums(self, value: Floats) -> Floats:
        """Add the rows of each block up."""
        return np.bincount(self.of_row, weights=value, minlength=self.count).astype(np.float64)

    def resampled(self, per_block: Floats) -> Floats:
        """Add the blocks of each draw up; the first axis becomes the draws'."""
        drawn: Floats = self._draws @ per_block
        return drawn

    def ratio(self, over: Floats, under: Floats) -> Estimate:
        """Estimate sum(over) / sum(under) of per-row values; NaN where there is nothing under."""
        top, bottom = self.sums(over), self.sums(under)
        with np.errstate(divide="ignore", invalid="ignore"):
            draws = self.resampled(top) / self.resampled(bottom)
            return estimate(float(top.sum() / bottom.sum()), draws)

    def auc(self, target: Labels, value: Floats, rows: npt.NDArray[np.bool_]) -> Estimate:
        """Estimate the AUC of `value` over the chosen rows, from pairs within one test.

        Pairs across tests would punish pure chance: a test that went up raises what the next
        model says, which then stands above what was said when it did go up.
        """
        over, pairs = np.zeros(RESAMPLES), np.zeros(RESAMPLES)
        exact = np.zeros(2)
        for fold in np.unique(self._fold[rows]).tolist():
            mine = rows & (self._fold == fold)
            up, down = self._counts(target[mine], value[mine], self.of_row[mine])
            area = _area(self.resampled(up), self.resampled(down))
            over, pairs = over + area[0], pairs + area[1]
            exact += _exact_area(target[mine], value[mine])
        with np.errstate(divide="ignore", invalid="ignore"):
            return estimate(float(exact[0] / exact[1]), over / pairs)

    def _counts(
        self, target: Labels, value: Floats, at: npt.NDArray[np.intp]
    ) -> tuple[Floats, Floats]:
        """Count ones and zeros of each block and class of value."""
        classes, ones = _classes(value), target == 1
        width = int(classes.max()) + 1
        cell, size = at * width + classes, self.count * width
        counts = (
            np.bincount(cell[chosen], minlength=size).reshape(self.count, width)
            for chosen in (ones, ~ones)
        )
        up, down = (one.astype(np.float64) for one in counts)
        return up, down


def auc(target: Labels, value: Floats) -> float:
    """Give the chance that a random 1 has a higher value than a random 0; ties count half."""
    over, pairs = _exact_area(target, value)
    return over / pairs if pairs else float("nan")


def estimate(value: float, draws: Floats) -> Estimate:
    """Bound by percentiles; draws that say nothing (NaN) are left out."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return Estimate(value, float("-inf"), float("inf"))
    low, high = np.quantile(known, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(value, float(low), float(high))


def block_length_ms(time_ms: Ints, horizon_ms: int) -> int:
    """Choose the block: `BLOCK_MS`, shorter for a short sample, at least 5 horizons."""
    span = int(time_ms.max() - time_ms.min())
    return max(MIN_BLOCK_HORIZONS * horizon_ms, min(BLOCK_MS, span // WANTED_BLOCKS), 1)


def losses(target: Labels, p_up: Floats) -> Floats:
    """Give the log loss of each row, natural logarithm."""
    p = np.clip(p_up, _TINY, 1.0 - _TINY)
    lost: Floats = -np.where(target == 1, np.log(p), np.log1p(-p))
    return lost


def entropy(rate: Floats) -> Floats:
    """Give the log loss of always saying the base rate itself, for each rate."""
    p = np.clip(rate, _TINY, 1.0 - _TINY)
    lost: Floats = -(p * np.log(p) + (1.0 - p) * np.log1p(-p))
    return lost


def _classes(value: Floats) -> npt.NDArray[np.intp]:
    """Number the values' classes of equal mass, equal values always together."""
    levels = np.unique(value)
    if len(levels) <= AUC_CLASSES:
        return np.searchsorted(levels, value)
    cuts = np.unique(np.quantile(value, np.linspace(0, 1, AUC_CLASSES + 1)[1:-1]))
    return np.searchsorted(cuts, value, side="right")


def _exact_area(target: Labels, value: Floats) -> tuple[float, float]:
    level = np.unique(value, return_inverse=True)[1]
    up = np.bincount(level, weights=target == 1).astype(np.float64)
    down = np.bincount(level, weights=target != 1).astype(np.float64)
    over, pairs = _area(up[np.newaxis], down[np.newaxis])
    return float(over[0]), float(pairs[0])


def _area(up: Floats, down: Floats) -> tuple[Floats, Floats]:
    """Give each line's pairs in the right order, and all its pairs, from counts by rising class."""
    below = np.cumsum(down, axis=1) - down / 2.0
    return (up * below).sum(axis=1), up.sum(axis=1) * down.sum(axis=1)
