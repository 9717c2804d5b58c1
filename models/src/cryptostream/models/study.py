"""A whole evaluation: every model at every horizon, the naive label beside it, and what counts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptostream.contracts.features import FEATURE_NAMES
from cryptostream.models.evaluation import walk
from cryptostream.models.folds import walk_plan
from cryptostream.models.intervals import auc
from cryptostream.models.labels import SERVED_HORIZON_MS
from cryptostream.models.learners import KINDS, Kind, Options, recipe

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cryptostream.models.dataset import Dataset
    from cryptostream.models.evaluation import Recipe, Report

#: The literal label needs no good model to look good; fewer trees on fewer rows save time.
NAIVE_TREES: Final = 25
NAIVE_ROWS: Final = 5_000
NAIVE_MAX_TESTED: Final = 200_000
#: Answers come one trade later; any distance keeps training clear of the test.
NAIVE_EMBARGO_MS: Final = 10_000
IMPORTANCE_ROWS: Final = 20_000
IMPORTANCE_REPEATS: Final = 3
CHAMPION: Final[Kind] = "forest"
#: Bybit's spot taker fee without a discount, 0.1 % (its fee table, 2026).
TAKER_FEE_BPS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Study:
    """Reports by horizon (ms), the literal label's, and importances.

    Attributes:
        served_ms: the horizon of the served model.
        importance: feature -> mean loss of AUC when its column is shuffled, at the served horizon,
            for the champion's newest model on the newest test; empty where it was not asked for.
    """

    reports: Mapping[int, Report]
    naive: Report
    importance: Mapping[str, float]
    served_ms: int = SERVED_HORIZON_MS


def study(
    dataset: Dataset,
    options: Options,
    *,
    kinds: Sequence[Kind] = KINDS,
    horizons_ms: Sequence[int] | None = None,
    advance: Callable[[str], None] = lambda _: None,
) -> Study:
    """Walk forward with each kind of model at each horizon; `advance` is told what is done.

    Raises:
        TrainingError: when the data are too few for it.
    """
    reports = {}
    for horizon_ms in horizons_ms or dataset.horizons_ms:
        samples = dataset.at(horizon_ms)
        recipes: dict[str, Recipe] = {kind: recipe(replace(options, kind=kind)) for kind in kinds}
        plan = walk_plan(samples.time_ms, horizon_ms)
        reports[horizon_ms] = walk(recipes, samples, plan, options.seed)
        advance(f"{horizon_ms / 1000:g} s")
    naive = naive_report(dataset, options)
    advance("naive label")
    return Study(reports, naive, {})


def with_importance(found: Study, seed: int) -> Study:
    """Add the champion's importances at the served horizon."""
    return replace(found, importance=importance(found.reports[found.served_ms], CHAMPION, seed))


def cost_bps(dataset: Dataset) -> float:
    """Give what a round trip costs: the taker's fee and half the spread, each way."""
    known = [spread for spread in dataset.half_spread_bps if np.isfinite(spread)]
    return 2.0 * (TAKER_FEE_BPS + (float(np.median(known)) if known else 0.0))


def naive_report(dataset: Dataset, options: Options) -> Report:
    """Walk forward with a small forest on the literal label, the newest rows of it."""
    literal = dataset.literal()
    literal = literal.take(np.arange(max(0, len(literal) - NAIVE_MAX_TESTED), len(literal)))
    small = replace(
        options,
        kind=CHAMPION,
        trees=min(options.trees, NAIVE_TREES),
        max_rows=min(options.max_rows, NAIVE_ROWS),
    )
    plan = walk_plan(literal.time_ms, 0, embargo_ms=NAIVE_EMBARGO_MS)
    return walk({CHAMPION: recipe(small)}, literal, plan, options.seed)


def importance(report: Report, kind: str, seed: int) -> dict[str, float]:
    """Shuffle one column at a time in the newest test and give the mean loss of AUC."""
    tested = report.samples.take(report.fold == report.fold.max()).decided()
    rng = np.random.default_rng(seed)
    if len(tested) > IMPORTANCE_ROWS:
        tested = tested.take(np.sort(rng.choice(len(tested), IMPORTANCE_ROWS, replace=False)))
    scorer = report.newest[kind]
    whole = auc(tested.target, scorer(tested.features))
    lost = {}
    for column, name in enumerate(FEATURE_NAMES):
        drops = []
        for _ in range(IMPORTANCE_REPEATS):
            shuffled = tested.features.copy()
            rng.shuffle(shuffled[:, column])
            drops.append(whole - auc(tested.target, scorer(shuffled)))
        lost[name] = float(np.mean(drops))
    return lost
