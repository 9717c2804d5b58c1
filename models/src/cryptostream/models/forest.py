"""The model: a Random Forest, with its probabilities calibrated on rows that came later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator

from cryptostream.models.errors import TrainingError

if TYPE_CHECKING:
    from cryptostream.models.evaluate import Targets
    from cryptostream.models.trades import Floats, Ints

#: The newest share of the training rows, on which probabilities are calibrated.
CALIBRATION_SHARE: Final = 0.2
#: Two numbers are fitted there; with fewer rows of either answer they would be noise.
MIN_CALIBRATION_ROWS: Final = 200
#: Neighbouring rows share their answers, so many rows of a few minutes count as a few: on less
#: time than this, calibration fits one swing of the market and makes probabilities worse.
MIN_CALIBRATION_MS: Final = 600_000
#: A leaf of 100 rows carries a probability; small samples get 2 % of their rows.
MIN_SAMPLES_LEAF: Final = 100
SMALL_SAMPLE_LEAF_SHARE: Final = 0.02


@dataclass(frozen=True, slots=True)
class ForestOptions:
    """How the forest is grown; depth and size are where more cost stops buying more skill."""

    trees: int = 100
    max_depth: int = 8
    max_rows: int = 8_000
    seed: int = 0
    embargo_ms: int = 10_000


class Fitted(NamedTuple):
    """A fitted classifier, how it was calibrated, and how many rows grew the forest."""

    model: Any
    calibration: str
    rows: int
    min_samples_leaf: int


def fit(
    features: npt.NDArray[np.float32],
    target: Targets,
    time_ms: Ints,
    settled_ms: Ints,
    options: ForestOptions,
) -> Fitted:
    """Grow the forest on the older rows and calibrate it on the newest ones.

    The rows must be ordered by time. Where the newest slice is too small or too short, the
    forest is grown on all rows and its probabilities stay as they are (`calibration` "none").

    Raises:
        TrainingError: when the rows hold one answer only.
    """
    start = time_ms[int(len(time_ms) * (1.0 - CALIBRATION_SHARE))]
    newest = np.flatnonzero(time_ms >= start)
    older = np.flatnonzero(settled_ms + options.embargo_ms < start)
    enough = min(_fewer(target[newest]), _fewer(target[older])) >= MIN_CALIBRATION_ROWS // 2
    if not enough or time_ms[-1] - start < MIN_CALIBRATION_MS:
        forest, rows = _grow(features, target, options)
        return Fitted(forest, "none", rows, forest.min_samples_leaf)
    forest, rows = _grow(features[older], target[older], options)
    model = CalibratedClassifierCV(FrozenEstimator(forest), method="sigmoid")
    model.fit(features[newest], target[newest])
    return Fitted(model, "sigmoid on the newest rows", rows, forest.min_samples_leaf)


def predict(model: Any, features: npt.NDArray[np.float32]) -> Floats:
    """Give the probability of 1 for each row."""
    p_up: Floats = model.predict_proba(features)[:, 1]
    return p_up


def _fewer(target: Targets) -> int:
    ones = int(target.sum())
    return min(ones, len(target) - ones)


def _grow(
    features: npt.NDArray[np.float32], target: Targets, options: ForestOptions
) -> tuple[RandomForestClassifier, int]:
    if not _fewer(target):
        raise TrainingError("all training rows have the same answer; give a longer recording")
    if len(target) > options.max_rows:
        rng = np.random.default_rng(options.seed)
        chosen = np.sort(rng.choice(len(target), options.max_rows, replace=False))
        features, target = features[chosen], target[chosen]
    leaf = min(MIN_SAMPLES_LEAF, max(1, int(len(target) * SMALL_SAMPLE_LEAF_SHARE)))
    forest = RandomForestClassifier(
        n_estimators=options.trees,
        max_depth=options.max_depth,
        min_samples_leaf=leaf,
        max_features="sqrt",
        random_state=options.seed,
        n_jobs=-1,
    )
    forest.fit(features, target)
    # Threads add the trees up in any order, which changes the last bits; and a small call is
    # dearer with them.
    forest.n_jobs = 1
    return forest, len(target)
