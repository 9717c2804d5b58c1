"""How well probabilities did: every number of a report for one model at one horizon. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from cryptostream.models.errors import TrainingError
from cryptostream.models.intervals import Blocks, Estimate, entropy, estimate, losses
from cryptostream.models.labels import UNKNOWN

if TYPE_CHECKING:
    from cryptostream.models.dataset import Samples
    from cryptostream.models.labels import Labels
    from cryptostream.models.trades import Floats

CHANCE: Final = 0.5
#: With fewer blocks the interval means little, and no edge is ever claimed.
MIN_BLOCKS_FOR_EDGE: Final = 10
#: Share of the rows that are looked at where the model is surest.
TOP_SHARE: Final = 0.1
RELIABILITY_BINS: Final = 10

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Score:
    """Probabilities of "up" against what happened, on rows that the model had not seen.

    Attributes:
        rows: with an answer, ties left out; all but `ties_auc` and `edge_bps` rest on them.
        auc: of label A, from pairs within one test.
        ties_auc: of the same probabilities where a tie counts as "not up".
        skill: 1 - log loss / log loss of always saying the test's own base rate; above 0 is
            better than knowing nothing but that rate.
        base_brier: of always saying the base rate.
        calibration_error: mean distance of said and seen shares over ten classes of equal mass.
        accuracy: of saying "up" above one half.
        majority_accuracy: of always saying the more frequent answer.
        lift: share of "up" among the tenth of rows with the highest probability / base rate.
        edge_bps: mean move in the said direction over the tenth of rows where the model is
            surest, ties among them, before fees and spread.
        block_seconds: length of the resampled blocks.
    """

    rows: int
    base_rate: float
    auc: Estimate
    ties_auc: float
    log_loss: Estimate
    base_log_loss: float
    skill: Estimate
    brier: Estimate
    base_brier: float
    calibration_error: float
    accuracy: Estimate
    majority_accuracy: float
    lift: Estimate
    edge_bps: Estimate
    block_seconds: float
    blocks: int

    @property
    def has_edge(self) -> bool:
        """Tell whether both intervals lie above chance, on enough blocks to say so."""
        return self.auc.low > CHANCE and self.skill.low > 0.0 and self.blocks >= MIN_BLOCKS_FOR_EDGE


class Reliability(NamedTuple):
    """One class of a reliability curve: what was said, what was seen, on how many rows."""

    said: float
    seen: float
    rows: int


def score(samples: Samples, p_up: Floats, blocks: Blocks) -> Score:
    """Score probabilities on the samples' rows; `blocks` are those of the same rows.

    Raises:
        TrainingError: when the rows hold one answer only.
    """
    moved = samples.target != UNKNOWN
    counted = moved.astype(np.float64)
    target, said = samples.target[moved], p_up[moved]
    ones = int(target.sum())
    if ones in {0, len(target)}:
        raise TrainingError("all test rows have the same answer; give a longer recording")
    base = ones / len(target)
    lost = _on(moved, losses(samples.target, p_up))
    top = moved & (p_up >= np.quantile(said, 1.0 - TOP_SHARE))
    return Score(
        rows=len(target),
        base_rate=base,
        auc=blocks.auc(samples.target, p_up, moved),
        ties_auc=_ties_auc(samples, p_up, blocks),
        log_loss=blocks.ratio(lost, counted),
        base_log_loss=float(entropy(np.array([base]))[0]),
        skill=_skill(samples, lost, counted, blocks),
        brier=blocks.ratio(_on(moved, (p_up - samples.target) ** 2), counted),
        base_brier=base * (1.0 - base),
        calibration_error=calibration_error(target, said),
        accuracy=blocks.ratio(_on(moved, (p_up > CHANCE) == samples.target), counted),
        majority_accuracy=max(base, 1.0 - base),
        lift=_lift(samples.target, top, moved, blocks),
        edge_bps=_edge(samples, p_up, blocks),
        block_seconds=blocks.length_ms / 1000,
        blocks=blocks.count,
    )


def reliability(target: Labels, p_up: Floats, bins: int = RELIABILITY_BINS) -> list[Reliability]:
    """Compare what was said with what was seen, in classes of equal mass by rising probability."""
    order = np.argsort(p_up, kind="stable")
    return [
        Reliability(float(p_up[part].mean()), float(target[part].mean()), len(part))
        for part in np.array_split(order, bins)
        if len(part)
    ]


def calibration_error(target: Labels, p_up: Floats) -> float:
    """Give the mean distance between said and seen shares, weighted by rows (ECE)."""
    classes = reliability(target, p_up)
    return sum(one.rows * abs(one.said - one.seen) for one in classes) / max(len(target), 1)


def _on(rows: Mask, value: npt.NDArray[Any]) -> Floats:
    """Give the value on the chosen rows and 0 elsewhere."""
    return np.where(rows, value, 0.0).astype(np.float64)


def _ties_auc(samples: Samples, p_up: Floats, blocks: Blocks) -> float:
    """Give the AUC where "up" is a positive move; the literal label counts its ties itself."""
    up = samples.move_bps > 0 if samples.move_bps.any() else samples.target == 1
    return blocks.auc(up.astype(np.int8), p_up, np.ones(len(up), dtype=np.bool_)).value


def _skill(samples: Samples, lost: Floats, counted: Floats, blocks: Blocks) -> Estimate:
    sums = [blocks.sums(column) for column in (lost, counted, samples.target == 1)]
    with np.errstate(divide="ignore", invalid="ignore"):
        lost_draws, counted_draws, ones_draws = (blocks.resampled(column) for column in sums)
        draws = 1.0 - lost_draws / counted_draws / entropy(ones_draws / counted_draws)
    total_lost, total, ones = (float(column.sum()) for column in sums)
    base = float(entropy(np.array([ones / total]))[0])
    return estimate(1.0 - total_lost / total / base, draws)


def _lift(target: Labels, top: Mask, moved: Mask, blocks: Blocks) -> Estimate:
    up = target == 1
    hits, tops, ones, all_rows = (
        blocks.sums(column.astype(np.float64)) for column in (up & top, top, up, moved)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        hit_share = blocks.resampled(hits) / blocks.resampled(tops)
        draws = hit_share / (blocks.resampled(ones) / blocks.resampled(all_rows))
    return estimate(float(hits.sum() / tops.sum() / (ones.sum() / all_rows.sum())), draws)


def _edge(samples: Samples, p_up: Floats, blocks: Blocks) -> Estimate:
    sure = np.abs(p_up - CHANCE)
    top = sure >= np.quantile(sure, 1.0 - TOP_SHARE)
    gained = np.sign(p_up - CHANCE) * samples.move_bps
    return blocks.ratio(_on(top, gained), top.astype(np.float64))
