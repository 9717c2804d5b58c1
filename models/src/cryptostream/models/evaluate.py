"""Scores with intervals, and the split that keeps the future out of the past. Pure.

Neighbouring rows share most of their future and of their features, so a plain bootstrap is four
times too sure of itself; whole blocks of time are resampled instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cryptostream.models.errors import TrainingError

if TYPE_CHECKING:
    from cryptostream.models.trades import Floats, Ints

BLOCK_MS: Final = 300_000
#: A short sample gets shorter blocks, so that about this many remain ...
WANTED_BLOCKS: Final = 20
#: ... but never shorter than this many horizons, else blocks share their answers.
MIN_BLOCK_HORIZONS: Final = 5
#: With fewer blocks the interval means little, and no edge is ever claimed.
MIN_BLOCKS_FOR_EDGE: Final = 10
RESAMPLES: Final = 500
CONFIDENCE: Final = 0.95
_TINY: Final = 1e-7

Targets = npt.NDArray[np.int8]


class Estimate(NamedTuple):
    """A score with its interval; `low` and `high` bound it at `CONFIDENCE`."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Score:
    """How well probabilities of a 0/1 target did on rows that the model had not seen.

    Attributes:
        skill: 1 - log loss / log loss of always saying the test's own base rate; above 0 is
            better than knowing nothing but that rate.
        majority_accuracy: of always saying the more frequent class.
        block_seconds: length of the resampled blocks; below `BLOCK_MS` the sample was short.
    """

    rows: int
    base_rate: float
    auc: Estimate
    log_loss: float
    base_log_loss: float
    skill: Estimate
    brier: float
    accuracy: float
    majority_accuracy: float
    block_seconds: float
    blocks: int

    @property
    def has_edge(self) -> bool:
        """Tell whether both intervals lie above chance, on enough blocks to say so."""
        return self.auc.low > 0.5 and self.skill.low > 0.0 and self.blocks >= MIN_BLOCKS_FOR_EDGE  # noqa: PLR2004


def score(target: Targets, p_up: Floats, time_ms: Ints, *, horizon_ms: int, seed: int) -> Score:
    """Score probabilities, with block-bootstrap intervals of AUC and skill.

    Raises:
        TrainingError: when the target holds one class only.
    """
    positive = int(target.sum())
    if positive in (0, len(target)):
        raise TrainingError("all test rows have the same answer; give a longer recording")
    length = block_length_ms(time_ms, horizon_ms)
    block = np.unique((time_ms - time_ms.min()) // length, return_inverse=True)[1]
    auc_of, skill_of = _WeightedAuc(target, p_up), _BlockSkill(target, p_up, block)
    auc_value, skill_value = auc_of(np.ones(len(target))), skill_of(np.ones(block.max() + 1))
    draws = _resample(auc_of, skill_of, block, seed)
    base_rate = positive / len(target)
    return Score(
        rows=len(target),
        base_rate=base_rate,
        auc=_estimate(auc_value, draws[:, 0]),
        log_loss=float(_losses(target, p_up).mean()),
        base_log_loss=_entropy(base_rate),
        skill=_estimate(skill_value, draws[:, 1]),
        brier=float(np.mean((p_up - target) ** 2)),
        accuracy=float(np.mean((p_up > 0.5) == target)),  # noqa: PLR2004
        majority_accuracy=max(base_rate, 1.0 - base_rate),
        block_seconds=length / 1000,
        blocks=int(block.max()) + 1,
    )


def auc(target: Targets, value: Floats) -> float:
    """Give the chance that a random 1 has a higher value than a random 0; ties count half."""
    return _WeightedAuc(target, value)(np.ones(len(target)))


def block_length_ms(time_ms: Ints, horizon_ms: int) -> int:
    """Choose the block: `BLOCK_MS`, shorter for a short sample, at least 5 horizons."""
    span = int(time_ms.max() - time_ms.min())
    return max(MIN_BLOCK_HORIZONS * horizon_ms, min(BLOCK_MS, span // WANTED_BLOCKS))


class Fold(NamedTuple):
    """Row numbers of one step of the walk: train on the past, test on what follows."""

    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def walk_forward(
    time_ms: Ints, settled_ms: Ints, *, folds: int, embargo_ms: int, first: float = 0.4
) -> list[Fold]:
    """Split rows, ordered by time, into tests that follow their training rows.

    A training row's answer must be known `embargo_ms` before the test begins (purging); rows of
    one millisecond never straddle a border.

    Args:
        time_ms: of the rows, never going backwards.
        settled_ms: when each row's answer was known.
        folds: how many tests.
        embargo_ms: distance kept between the last answer of training and the test.
        first: share of the rows before the first test.
    """
    cuts = np.linspace(first, 1.0, folds + 1) * len(time_ms)
    borders = [*time_ms[cuts[:-1].astype(np.intp)].tolist(), int(time_ms[-1]) + 1]
    return [
        Fold(
            np.flatnonzero(settled_ms + embargo_ms < start),
            np.flatnonzero((time_ms >= start) & (time_ms < end)),
        )
        for start, end in pairwise(borders)
    ]


class _WeightedAuc:
    """AUC under row weights; sorts once, so that each resample costs one pass."""

    def __init__(self, target: Targets, value: Floats) -> None:
        self._order = np.argsort(value, kind="stable")
        self._positive = target[self._order].astype(np.float64)
        ordered = value[self._order]
        self._starts = np.flatnonzero(np.diff(ordered, prepend=ordered[0] - 1.0))

    def __call__(self, weight: Floats) -> float:
        weight = weight[self._order]
        ones = np.add.reduceat(weight * self._positive, self._starts)
        zeros = np.add.reduceat(weight * (1.0 - self._positive), self._starts)
        pairs = ones.sum() * zeros.sum()
        below = np.cumsum(zeros) - zeros
        return float(ones @ (below + zeros / 2.0) / pairs) if pairs else float("nan")


class _BlockSkill:
    """Log-loss skill under block weights, from the sums of each block."""

    def __init__(self, target: Targets, p_up: Floats, block: npt.NDArray[np.intp]) -> None:
        self._rows = np.bincount(block).astype(np.float64)
        self._ones = np.bincount(block, weights=target)
        self._loss = np.bincount(block, weights=_losses(target, p_up))

    def __call__(self, weight: Floats) -> float:
        rows = weight @ self._rows
        base = _entropy(float(weight @ self._ones / rows))
        return float(1.0 - weight @ self._loss / rows / base) if base else float("nan")


def _resample(
    auc_of: _WeightedAuc, skill_of: _BlockSkill, block: npt.NDArray[np.intp], seed: int
) -> Floats:
    """Draw blocks with replacement; row k holds (AUC, skill) of draw k."""
    rng = np.random.default_rng(seed)
    count = int(block.max()) + 1
    draws = np.empty((RESAMPLES, 2))
    for draw in draws:
        picked = np.bincount(rng.integers(0, count, count), minlength=count).astype(np.float64)
        draw[:] = auc_of(picked[block]), skill_of(picked)
    return draws


def _estimate(value: float, draws: Floats) -> Estimate:
    """Bound by percentiles; draws of one class only say nothing and are left out."""
    known = draws[np.isfinite(draws)]
    if not len(known):
        return Estimate(value, float("-inf"), float("inf"))
    low, high = np.quantile(known, ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2))
    return Estimate(value, float(low), float(high))


def _losses(target: Targets, p_up: Floats) -> Floats:
    p = np.clip(p_up, _TINY, 1.0 - _TINY)
    losses: Floats = -np.where(target == 1, np.log(p), np.log1p(-p))
    return losses


def _entropy(rate: float) -> float:
    if rate in (0.0, 1.0):
        return 0.0
    return float(-(rate * np.log(rate) + (1.0 - rate) * np.log1p(-rate)))
