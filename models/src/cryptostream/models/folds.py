"""The split that keeps the future out of the past: purged, embargoed, walking forward. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cryptostream.models.errors import LeakError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.models.trades import Ints

FOLDS: Final = 3
#: Share of the rows before the first test.
FIRST_SHARE: Final = 0.4
NEWEST_SHARE: Final = 0.2


@dataclass(frozen=True, slots=True)
class FoldPlan:
    """Which stretches of time to test on, and how far training keeps away from them.

    Attributes:
        horizon_ms: of the label.
        tests: [start, end) of each test, epoch milliseconds, in order and not overlapping.
        embargo_ms: distance between the last answer of training and the test.
    """

    horizon_ms: int
    tests: tuple[tuple[int, int], ...]
    embargo_ms: int


class Fold(NamedTuple):
    """Row numbers of one step of the walk: train on the past, test on what follows."""

    train: npt.NDArray[np.intp]
    test: npt.NDArray[np.intp]


def walk_plan(
    time_ms: Ints,
    horizon_ms: int,
    *,
    folds: int = FOLDS,
    first: float = FIRST_SHARE,
    embargo_ms: int | None = None,
) -> FoldPlan:
    """Plan tests of equally many rows over what follows the first share of the rows.

    Args:
        time_ms: of the rows, at least one, never going backwards.
        horizon_ms: of the label; also the embargo, unless that is given.
        folds: how many tests.
        first: share of the rows before the first test.
        embargo_ms: see `FoldPlan`.
    """
    cuts = np.linspace(first, 1.0, folds + 1) * len(time_ms)
    borders = [*time_ms[cuts[:-1].astype(np.intp)].tolist(), int(time_ms[-1]) + 1]
    return FoldPlan(
        horizon_ms, tuple(pairwise(borders)), horizon_ms if embargo_ms is None else embargo_ms
    )


def newest_plan(
    time_ms: Ints, horizon_ms: int, *, start_ms: int | None = None, share: float = NEWEST_SHARE
) -> FoldPlan:
    """Plan one test: all from `start_ms` on, else the newest share of the rows."""
    if start_ms is None:
        start_ms = int(time_ms[int(len(time_ms) * (1.0 - share))])
    return FoldPlan(horizon_ms, ((start_ms, int(time_ms[-1]) + 1),), horizon_ms)


def split(plan: FoldPlan, time_ms: Ints, settled_ms: Ints) -> list[Fold]:
    """Give the rows of each fold.

    A training row's answer must be known `embargo_ms` before the test begins (purging); rows of
    one millisecond never straddle a border.
    """
    return [
        Fold(
            np.flatnonzero(settled_ms + plan.embargo_ms < start),
            np.flatnonzero((time_ms >= start) & (time_ms < end)),
        )
        for start, end in plan.tests
    ]


def check_folds(folds: Sequence[Fold], time_ms: Ints, settled_ms: Ints, embargo_ms: int) -> None:
    """Raise `LeakError` where a training row was answered after its test began.

    Shuffled folds fail here: neighbours share their future, so a model that has seen one row
    knows the next one's answer (AUC 0.75 and more on pure noise).
    """
    for number, fold in enumerate(folds, start=1):
        if not len(fold.train) or not len(fold.test):
            continue
        start = int(time_ms[fold.test].min())
        late = int(np.count_nonzero(settled_ms[fold.train] + embargo_ms >= start))
        if late:
            raise LeakError(
                f"fold {number}: {late} of {len(fold.train)} training rows were answered less than "
                f"{embargo_ms} ms before the test began, or after"
            )
