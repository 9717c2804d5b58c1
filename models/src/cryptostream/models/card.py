"""The model card: what a model was made of, how it did, and what that doesn't prove."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import bentoml
import numpy as np
import sklearn

from cryptostream.contracts.features import FEATURE_NAMES, FEATURES_HASH
from cryptostream.models.evaluate import BLOCK_MS, MIN_BLOCKS_FOR_EDGE, Score
from cryptostream.models.labels import MAX_WAIT_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.models.forest import Fitted, ForestOptions
    from cryptostream.models.trades import Tape

LABEL_A: Final = (
    "A: price of the first same-side aggressive order at or after t + horizon is higher than the "
    "price of the order at t; ties dropped"
)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The walk-forward scores that stand in a card.

    Attributes:
        label_a: of the served label.
        naive: of the literal label "the next trade is higher", by a model of its own.
        tick_rule_auc: of the last price direction, as a prediction of label A.
        tick_rule_naive_auc: of the opposite of the last direction, as one of the literal label.
    """

    label_a: Score
    naive: Score
    tick_rule_auc: float
    tick_rule_naive_auc: float


def model_card(
    *,
    tapes: Sequence[Tape],
    data_sha256: str,
    horizon_ms: int,
    usable_rows: int,
    fitted: Fitted,
    options: ForestOptions,
    evaluation: Evaluation,
) -> dict[str, Any]:
    """Compose the card: plain JSON values only, so that the store can keep it."""
    return {
        "label": LABEL_A,
        "horizon_ms": horizon_ms,
        "max_wait_ms": MAX_WAIT_MS,
        "features": list(FEATURE_NAMES),
        "features_hash": FEATURES_HASH,
        "data": {
            "sha256": data_sha256,
            "symbols": [tape.symbol for tape in tapes],
            "trades": sum(len(tape) for tape in tapes),
            "from_ms": int(min(tape.time_ms[0] for tape in tapes)),
            "to_ms": int(max(tape.time_ms[-1] for tape in tapes)),
            "usable_rows": usable_rows,
        },
        "forest": {
            "trees": options.trees,
            "max_depth": options.max_depth,
            "min_samples_leaf": fitted.min_samples_leaf,
            "seed": options.seed,
            "fitted_rows": fitted.rows,
            "max_rows": options.max_rows,
            "calibration": fitted.calibration,
        },
        "metrics": asdict(evaluation.label_a),
        "naive": asdict(evaluation.naive),
        "baselines": {
            "tick_rule_auc": evaluation.tick_rule_auc,
            "tick_rule_naive_auc": evaluation.tick_rule_naive_auc,
        },
        "no_edge": not evaluation.label_a.has_edge,
        "notes": _notes(evaluation.label_a, fitted, options),
        "versions": {
            "python": platform.python_version(),
            "bentoml": bentoml.__version__,
            "scikit-learn": sklearn.__version__,
            "numpy": np.__version__,
        },
    }


def _notes(score: Score, fitted: Fitted, options: ForestOptions) -> list[str]:
    """Say in words what a reader of the numbers must know."""
    notes = ["The naive score is mechanics (ties, sweeps, bid-ask bounce), not foresight."]
    if not score.has_edge:
        notes.append("No edge shown: the walk-forward scores don't stand clear of chance.")
    if score.block_seconds * 1000 < BLOCK_MS:
        notes.append(
            f"Short sample: intervals rest on {score.blocks} blocks of "
            f"{score.block_seconds:g} s instead of {BLOCK_MS // 1000} s."
        )
    if fitted.rows == options.max_rows:
        notes.append(f"Grown on a random sample of {fitted.rows} rows.")
    if fitted.calibration == "none":
        notes.append("Uncalibrated: the newest slice is too small or too short for it.")
    if score.blocks < MIN_BLOCKS_FOR_EDGE:
        notes.append(f"No edge can be claimed on fewer than {MIN_BLOCKS_FOR_EDGE} blocks.")
    return notes
