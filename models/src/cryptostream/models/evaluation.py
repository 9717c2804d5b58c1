"""Judge models on stretches of time that they have not seen, beside the baselines. Pure.

`evaluate` scores finished models; `walk` trains anew for each test of the walk. Both give the
same `Report`, and both check that nothing of the tests was known to training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from cryptostream.models.errors import TrainingError
from cryptostream.models.folds import Fold, FoldPlan, check_folds, split
from cryptostream.models.intervals import Blocks, Estimate, losses
from cryptostream.models.labels import UNKNOWN, Labels
from cryptostream.models.scores import Score, score

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.models.dataset import Dataset, Samples
    from cryptostream.models.trades import Floats

#: Rows of features, (rows, `FEATURE_COUNT`) float32, to their probabilities of "up".
Scorer = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float64]]
#: Decided rows of the past, ordered by time, and a seed, to a model.
Recipe = Callable[["Samples", int], Scorer]

MAJORITY: Final = "majority"
TICK_RULE: Final = "tick rule"
SIDE_ONLY: Final = "side only"
BASELINES: Final = (MAJORITY, TICK_RULE, SIDE_ONLY)
MIN_SYMBOL_ROWS: Final = 200


@dataclass(frozen=True, slots=True)
class Report:
    """What models and baselines scored on the same rows.

    Attributes:
        samples: the tested rows, ties among them.
        fold: number of the test that each row belongs to.
        p_up: each model's and baseline's probabilities on those rows.
        blocks: the rows' blocks; all scores were resampled with the same draws of them.
        scores: by model or baseline.
        by_symbol: by model, then by symbol with enough rows: AUC.
        newest: the models of the last test; empty where only probabilities were given.
    """

    samples: Samples
    fold: npt.NDArray[np.int8]
    p_up: Mapping[str, Floats]
    blocks: Blocks
    scores: Mapping[str, Score]
    by_symbol: Mapping[str, Mapping[str, Estimate]]
    newest: Mapping[str, Scorer]

    def gain(self, challenger: str, champion: str) -> Estimate:
        """Estimate how much less log loss a row the challenger has, paired by blocks."""
        moved = self.samples.target != UNKNOWN
        target = self.samples.target
        saved = losses(target, self.p_up[champion]) - losses(target, self.p_up[challenger])
        return self.blocks.ratio(np.where(moved, saved, 0.0), moved.astype(np.float64))


def evaluate(models: Mapping[str, Scorer], dataset: Dataset, plan: FoldPlan, seed: int) -> Report:
    """Score finished models on the plan's tests at its horizon.

    The caller picks tests that begin after all that the models were trained on was settled.
    Baselines learn their shares from the rows before each test.

    Raises:
        TrainingError: when the tests hold no rows, or one answer only.
        LeakError: when the folds overlap in time.
    """
    samples = dataset.at(plan.horizon_ms)
    recipes = {name: _finished(scorer) for name, scorer in models.items()}
    return _run(recipes, samples, _folds(samples, plan), seed)


def walk(recipes: Mapping[str, Recipe], samples: Samples, plan: FoldPlan, seed: int) -> Report:
    """Train each recipe on the past of each test and score it there.

    Raises:
        TrainingError: when no test can be trained for, or the tests hold one answer only.
        LeakError: when a training row was answered after its test began.
    """
    folds = [fold for fold in _folds(samples, plan) if _trainable(samples.target, fold)]
    return _run(recipes, samples, folds, seed)


def _folds(samples: Samples, plan: FoldPlan) -> list[Fold]:
    folds = split(plan, samples.time_ms, samples.settled_ms)
    check_folds(folds, samples.time_ms, samples.settled_ms, plan.embargo_ms)
    return [fold for fold in folds if len(fold.test)]


def _run(recipes: Mapping[str, Recipe], samples: Samples, folds: list[Fold], seed: int) -> Report:
    if not folds:
        raise TrainingError("the recording is too short to test what it teaches; give a longer one")
    p_up, newest = _predictions(recipes, samples, folds, seed)
    tests = samples.take(np.concatenate([fold.test for fold in folds]))
    number = np.arange(len(folds), dtype=np.int8)
    return judge(
        tests, np.repeat(number, [len(fold.test) for fold in folds]), p_up, seed, newest=newest
    )


def judge(
    samples: Samples,
    fold: npt.NDArray[np.int8],
    p_up: Mapping[str, Floats],
    seed: int,
    *,
    newest: Mapping[str, Scorer] = MappingProxyType({}),
) -> Report:
    """Score probabilities that were made for the given rows, ordered by time."""
    blocks = Blocks(samples.time_ms, samples.horizon_ms, seed, fold)
    return Report(
        samples=samples,
        fold=fold,
        p_up=p_up,
        blocks=blocks,
        scores={name: score(samples, said, blocks) for name, said in p_up.items()},
        by_symbol={
            name: _by_symbol(samples, said, blocks)
            for name, said in p_up.items()
            if name not in BASELINES
        },
        newest=newest,
    )


def _predictions(
    recipes: Mapping[str, Recipe], samples: Samples, folds: list[Fold], seed: int
) -> tuple[dict[str, Floats], dict[str, Scorer]]:
    newest: dict[str, Scorer] = {}
    said: dict[str, list[Floats]] = {name: [] for name in (*recipes, *BASELINES)}
    for fold in folds:
        past, test = samples.take(fold.train).decided(), samples.take(fold.test)
        for name, recipe in recipes.items():
            newest[name] = recipe(past, seed)
            said[name].append(newest[name](test.features))
        for name, p_up in _baselines(past, test).items():
            said[name].append(p_up)
    return {name: np.concatenate(parts) for name, parts in said.items()}, newest


def _baselines(past: Samples, test: Samples) -> dict[str, Floats]:
    """Say the past's share of "up": over all, by last price direction, by taker's side."""
    share = float(past.target.mean()) if len(past) else 0.5
    return {
        MAJORITY: np.full(len(test), share),
        TICK_RULE: _share_by(past.tick, past.target, test.tick, share),
        SIDE_ONLY: _share_by(past.side, past.target, test.side, share),
    }


def _share_by(past: Labels, target: Labels, test: Labels, share: float) -> Floats:
    p_up = np.full(len(test), share)
    for value in (-1, 0, 1):
        seen = target[past == value]
        if len(seen):
            p_up[test == value] = seen.mean()
    return p_up


def _by_symbol(samples: Samples, p_up: Floats, blocks: Blocks) -> dict[str, Estimate]:
    moved = samples.target != UNKNOWN
    found = {}
    for number, symbol in enumerate(samples.symbols):
        rows = moved & (samples.symbol == number)
        ones = int((samples.target[rows] == 1).sum())
        if rows.sum() >= MIN_SYMBOL_ROWS and 0 < ones < rows.sum():
            found[symbol] = blocks.auc(samples.target, p_up, rows)
    return found


def _finished(scorer: Scorer) -> Recipe:
    return lambda _past, _seed: scorer


def _trainable(target: Labels, fold: Fold) -> bool:
    return {0, 1} <= set(np.unique(target[fold.train]).tolist())
