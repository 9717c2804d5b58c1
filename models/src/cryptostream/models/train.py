"""Training: evaluate by walking forward, then fit on everything and write the card."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from cryptostream.models import dataset, forest
from cryptostream.models.card import Evaluation, model_card
from cryptostream.models.errors import TrainingError
from cryptostream.models.evaluate import Fold, Score, auc, score, walk_forward
from cryptostream.models.labels import SERVED_HORIZON_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.models.dataset import Dataset
    from cryptostream.models.evaluate import Targets
    from cryptostream.models.forest import ForestOptions
    from cryptostream.models.trades import Floats, Ints, Tape

FOLDS: Final = 3
#: Below it neither the forest nor its scores say anything.
MIN_ROWS: Final = 400
#: The literal label needs no good model to look good; fewer trees on fewer rows save time.
NAIVE_TREES: Final = 25
NAIVE_ROWS: Final = 5_000


class Trained(NamedTuple):
    """A model ready to be saved, and its card."""

    model: Any
    card: dict[str, Any]


def train(
    tapes: Sequence[Tape], options: ForestOptions, *, horizon_ms: int = SERVED_HORIZON_MS
) -> Trained:
    """Train on the tapes and judge the result.

    The card's scores come from walking forward: each test follows all that its model had seen.
    The returned model is then fitted on all rows by the same recipe.

    Raises:
        TrainingError: when the data are too few.
    """
    whole = dataset.build(tapes, horizon_ms=horizon_ms)
    data = whole.usable()
    if len(data) < MIN_ROWS:
        raise TrainingError(
            f"only {len(data)} usable rows, at least {MIN_ROWS} are needed; give a longer "
            f"recording (each symbol's first 300 s only warm up, and {horizon_ms // 1000} s must "
            "follow each trade)"
        )
    evaluation = evaluate(data, whole.literal(), options, horizon_ms=horizon_ms)
    fitted = forest.fit(data.features, data.label, data.time_ms, data.settled_ms, options)
    card = model_card(
        tapes=tapes,
        data_sha256=dataset.content_sha256(tapes),
        horizon_ms=horizon_ms,
        usable_rows=len(data),
        fitted=fitted,
        options=options,
        evaluation=evaluation,
    )
    return Trained(fitted.model, card)


def evaluate(
    data: Dataset, literal: Dataset, options: ForestOptions, *, horizon_ms: int
) -> Evaluation:
    """Score label A on `data` and the literal label on `literal` by walking forward."""
    fewer = replace(
        options, trees=min(options.trees, NAIVE_TREES), max_rows=min(options.max_rows, NAIVE_ROWS)
    )
    target, p_up, rows = _out_of_sample(data, data.label, data.settled_ms, options)
    naive, p_naive, naive_rows = _out_of_sample(literal, literal.naive, literal.time_ms, fewer)
    return Evaluation(
        label_a=_score(target, p_up, data.time_ms[rows], horizon_ms, options),
        naive=_score(naive, p_naive, literal.time_ms[naive_rows], horizon_ms, options),
        tick_rule_auc=auc(target, data.tick[rows].astype(np.float64)),
        tick_rule_naive_auc=auc(naive, -literal.tick[naive_rows].astype(np.float64)),
    )


def _score(
    target: Targets, p_up: Floats, time_ms: Ints, horizon_ms: int, options: ForestOptions
) -> Score:
    return score(target, p_up, time_ms, horizon_ms=horizon_ms, seed=options.seed)


def _out_of_sample(
    data: Dataset, target: Targets, settled_ms: Ints, options: ForestOptions
) -> tuple[Targets, Floats, Ints]:
    """Give the tests' answers, their probabilities and their row numbers, all folds together."""
    folds = walk_forward(data.time_ms, settled_ms, folds=FOLDS, embargo_ms=options.embargo_ms)
    folds = [fold for fold in folds if len(fold.test) and _trainable(target, fold)]
    if not folds:
        raise TrainingError("the recording is too short to test what it teaches; give a longer one")
    parts = []
    for fold in folds:
        rows = fold.train
        fitted = forest.fit(
            data.features[rows], target[rows], data.time_ms[rows], settled_ms[rows], options
        )
        parts.append(forest.predict(fitted.model, data.features[fold.test]))
    rows = np.concatenate([fold.test for fold in folds])
    return target[rows], np.concatenate(parts), rows


def _trainable(target: Targets, fold: Fold) -> bool:
    return len(np.unique(target[fold.train])) > 1
