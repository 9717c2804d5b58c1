"""The model card: what a model was made of, how it did, and what that doesn't prove."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptostream.contracts.features import FEATURE_NAMES, FEATURES_HASH
from cryptostream.models.evaluation import BASELINES
from cryptostream.models.histogram import histogram
from cryptostream.models.intervals import BLOCK_MS
from cryptostream.models.labels import MAX_WAIT_MS
from cryptostream.models.learners import HUSHED
from cryptostream.models.provenance import git_sha, versions
from cryptostream.models.scores import MIN_BLOCKS_FOR_EDGE
from cryptostream.models.study import CHAMPION

if TYPE_CHECKING:
    from cryptostream.models.dataset import Dataset
    from cryptostream.models.evaluation import Report
    from cryptostream.models.learners import Fitted, Options
    from cryptostream.models.scores import Score

LABEL_A: Final = (
    "A: price of the first same-side aggressive order at or after t + horizon is higher than the "
    "price of the order at t; ties and block trades dropped"
)


def model_card(
    dataset: Dataset, report: Report, naive: Report, fitted: Fitted, options: Options
) -> dict[str, Any]:
    """Compose the card: plain JSON values only, so that the store can keep it."""
    served, literal = report.scores[options.kind], naive.scores
    return {
        "kind": options.kind,
        "label": LABEL_A,
        "horizon_ms": report.samples.horizon_ms,
        "max_wait_ms": MAX_WAIT_MS,
        "features": list(FEATURE_NAMES),
        "features_hash": FEATURES_HASH,
        "data": data_facts(dataset),
        "histogram": histogram(dataset.features[dataset.warm]),
        "options": {
            **asdict(options),
            "fitted_rows": fitted.rows,
            "calibration": fitted.calibration,
        },
        "metrics": asdict(served),
        "by_symbol": {symbol: list(auc) for symbol, auc in report.by_symbol[options.kind].items()},
        "naive": asdict(literal[CHAMPION]),
        "baselines": {
            label: {name: asdict(scores[name]) for name in BASELINES}
            for label, scores in (("label_a", report.scores), ("naive", literal))
        },
        "no_edge": not served.has_edge,
        "notes": _notes(served, fitted),
        "git_sha": git_sha(),
        "versions": versions(),
    }


def data_facts(dataset: Dataset) -> dict[str, Any]:
    """Say what the data are: fingerprint, symbols, counts, range."""
    counts = np.bincount(dataset.symbol, minlength=len(dataset.symbols)).tolist()
    return {
        "sha256": dataset.sha256,
        "symbols": list(dataset.symbols),
        "trades": len(dataset),
        "trades_by_symbol": dict(zip(dataset.symbols, counts, strict=True)),
        "from_ms": int(dataset.time_ms[0]),
        "to_ms": int(dataset.time_ms[-1]),
    }


def _notes(score: Score, fitted: Fitted) -> list[str]:
    """Say in words what a reader of the numbers must know."""
    notes = [
        "The naive score is mechanics (ties, sweeps, bid-ask bounce), not foresight.",
        "Edge is before the taker's fee and the spread, which are larger.",
    ]
    if not score.has_edge:
        notes.append("No edge shown: the walk-forward scores don't stand clear of chance.")
    if score.block_seconds * 1000 < BLOCK_MS:
        notes.append(
            f"Short sample: intervals rest on {score.blocks} blocks of "
            f"{score.block_seconds:g} s instead of {BLOCK_MS // 1000} s."
        )
    if fitted.calibration == "none":
        notes.append("Uncalibrated: the newest slice is too small or too short for it.")
    if fitted.calibration == HUSHED:
        notes.append("Probabilities stay close to one half; the scores are those of before.")
    if score.blocks < MIN_BLOCKS_FOR_EDGE:
        notes.append(f"No edge can be claimed on fewer than {MIN_BLOCKS_FOR_EDGE} blocks.")
    return notes
