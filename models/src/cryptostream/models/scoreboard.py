"""Live scores of a window: by model, group of symbols and horizon, beside the baselines. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cryptostream.models.errors import TrainingError
from cryptostream.models.intervals import Blocks, Estimate, auc, losses
from cryptostream.models.labels import HORIZONS_MS, SERVED_HORIZON_MS, UNKNOWN
from cryptostream.models.scoreboard_rows import thinned
from cryptostream.models.scores import MIN_BLOCKS_FOR_EDGE, Score, score

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptostream.models.scoreboard_rows import Outcomes

ALL: Final = "all"
MAJORS: Final = "majors"
REST: Final = "rest"
#: The symbols with the most orders make the group `majors` and are scored one by one as well.
TOP_SYMBOLS: Final = 5
#: With fewer decided orders a score would be noise.
MIN_ROWS: Final = 200
#: More tell no more: neighbouring orders share their future.
MAX_ROWS: Final = 60_000
_SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the scoreboard; baselines' AUCs are on the same orders."""

    model: str
    group: str
    horizon_ms: int
    score: Score
    tick_rule_auc: float
    side_auc: float
    naive_auc: float

    def document(self, time_ms: int, window: str) -> dict[str, Any]:
        """Give the document of the kind `scores`; what isn't a finite number is left out."""
        one = self.score
        numbers = {
            "base_rate": one.base_rate,
            "auc": one.auc.value,
            "auc_low": one.auc.low,
            "auc_high": one.auc.high,
            "log_loss": one.log_loss.value,
            "base_log_loss": one.base_log_loss,
            "log_loss_skill": one.skill.value,
            "brier": one.brier.value,
            "base_brier": one.base_brier,
            "calibration_error": one.calibration_error,
            "accuracy": one.accuracy.value,
            "majority_accuracy": one.majority_accuracy,
            "tick_rule_auc": self.tick_rule_auc,
            "side_auc": self.side_auc,
            "naive_auc": self.naive_auc,
            "edge_bps": one.edge_bps.value,
        }
        return {
            "time": time_ms,
            "window": window,
            "model": self.model,
            "group": self.group,
            "horizon": self.horizon_ms // 1000,
            "n": one.rows,
            "no_edge": not one.has_edge,
            "v": 1,
            **{name: value for name, value in numbers.items() if math.isfinite(value)},
        }


def lines(outcomes: Outcomes) -> list[Line]:
    """Score each model of the window: all symbols at each horizon, groups at the served one."""
    found = []
    for model in np.unique(outcomes.model).tolist():
        of_model = outcomes.take(outcomes.model == model)
        for horizon_ms in HORIZONS_MS:
            groups = _groups(of_model) if horizon_ms == SERVED_HORIZON_MS else [(ALL, of_model)]
            found += [
                line
                for group, chosen in groups
                if (line := _line(model, group, horizon_ms, thinned(chosen, MAX_ROWS)))
            ]
    return found


def excess(outcomes: Outcomes, base_rate: float) -> Estimate | None:
    """Estimate by how much the log loss a row is above that of always saying `base_rate`.

    The rate must have been known before: a rate of the same window would know its swings. None
    where the window has too little to say.
    """
    samples, p_up = thinned(outcomes, MAX_ROWS).at(SERVED_HORIZON_MS)
    moved = samples.target != UNKNOWN
    if moved.sum() < MIN_ROWS:
        return None
    blocks = Blocks(samples.time_ms, SERVED_HORIZON_MS, _SEED)
    if blocks.count < MIN_BLOCKS_FOR_EDGE:
        return None
    base = np.full(len(samples), base_rate)
    lost = losses(samples.target, p_up) - losses(samples.target, base)
    return blocks.ratio(np.where(moved, lost, 0.0), moved.astype(np.float64))


def base_rate(outcomes: Outcomes) -> float:
    """Give the share of ups among the decided orders at the served horizon; one half without."""
    target = outcomes.target[:, HORIZONS_MS.index(SERVED_HORIZON_MS)]
    decided = target[target != UNKNOWN]
    return float(decided.mean()) if len(decided) >= MIN_ROWS else 0.5


def mean_loss(outcomes: Outcomes) -> float | None:
    """Give the mean log loss of the decided orders at the served horizon; None without any."""
    samples, p_up = outcomes.at(SERVED_HORIZON_MS)
    moved = samples.target != UNKNOWN
    return float(losses(samples.target[moved], p_up[moved]).mean()) if moved.any() else None


def _groups(outcomes: Outcomes) -> Iterator[tuple[str, Outcomes]]:
    names, counts = np.unique(outcomes.symbol, return_counts=True)
    top = names[np.argsort(-counts, kind="stable")[:TOP_SYMBOLS]]
    major = np.isin(outcomes.symbol, top)
    yield ALL, outcomes
    yield MAJORS, outcomes.take(major)
    yield REST, outcomes.take(~major)
    for name in top.tolist():
        yield name, outcomes.take(outcomes.symbol == name)


def _line(model: str, group: str, horizon_ms: int, outcomes: Outcomes) -> Line | None:
    samples, p_up = outcomes.at(horizon_ms)
    moved = samples.target != UNKNOWN
    if moved.sum() < MIN_ROWS:
        return None
    try:
        found = score(samples, p_up, Blocks(samples.time_ms, horizon_ms, _SEED))
    except TrainingError:  # one answer only: nothing to score
        return None
    target = samples.target[moved]
    known = outcomes.naive != UNKNOWN
    return Line(
        model,
        group,
        horizon_ms,
        found,
        tick_rule_auc=auc(target, samples.tick[moved].astype(np.float64)),
        side_auc=auc(target, samples.side[moved].astype(np.float64)),
        naive_auc=auc(outcomes.naive[known], -outcomes.tick[known].astype(np.float64)),
    )
