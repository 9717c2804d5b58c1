"""The models: a Random Forest, and two challengers, calibrated on rows that came later."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, get_args

import numpy as np
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cryptostream.models.errors import TrainingError

if TYPE_CHECKING:
    from cryptostream.models.dataset import Samples, Vectors
    from cryptostream.models.evaluation import Recipe, Scorer
    from cryptostream.models.labels import Labels
    from cryptostream.models.trades import Floats

Kind = Literal["forest", "logistic", "boosting"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
#: The newest share of the training rows, on which probabilities are calibrated.
CALIBRATION_SHARE: Final = 0.2
#: Two numbers are fitted there; with fewer rows of either answer they would be noise.
MIN_CALIBRATION_ROWS: Final = 200
#: Neighbouring rows share their answers, so many rows of a few minutes count as a few: on less
#: time than this, calibration fits one swing of the market and makes probabilities much worse.
MIN_CALIBRATION_MS: Final = 3_600_000
#: A leaf of 100 rows carries a probability; small samples get 2 % of their rows.
MIN_SAMPLES_LEAF: Final = 100
SMALL_SAMPLE_LEAF_SHARE: Final = 0.02
#: Strong shrinkage: what can be learned here is weak, and noise is plenty.
LOGISTIC_C: Final = 0.01
#: How far from one half a model may still go that showed no edge and could not be calibrated.
HUSHED_SHARE: Final = 0.1
HUSHED: Final = "pulled to one half: no edge was shown"
BOOSTING_ROUNDS: Final = 80
BOOSTING_RATE: Final = 0.05
BOOSTING_LEAVES: Final = 15


@dataclass(frozen=True, slots=True)
class Options:
    """How a model is fitted; depth and size are where more cost stops buying more skill.

    Attributes:
        max_rows: what each tree of the forest draws at most; all trees together see all rows.
        embargo_ms: distance between the last answer a model sees and its calibration.
    """

    kind: Kind = "forest"
    trees: int = 100
    max_depth: int = 8
    max_rows: int = 10_000
    seed: int = 0
    embargo_ms: int = 10_000


class Fitted(NamedTuple):
    """A fitted classifier, how it was calibrated, and how many rows it was fitted on."""

    model: Any
    calibration: str
    rows: int


def fit(samples: Samples, options: Options) -> Fitted:
    """Fit on the older rows and calibrate on the newest ones; rows are decided, by time.

    Where the newest slice is too small or too short, the model is fitted on all rows and its
    probabilities stay as they are (`calibration` "none").

    Raises:
        TrainingError: when the rows hold one answer only.
    """
    time_ms = samples.time_ms
    start = time_ms[int(len(time_ms) * (1.0 - CALIBRATION_SHARE))]
    newest = samples.take(time_ms >= start)
    older = samples.take(samples.settled_ms + options.embargo_ms < start)
    enough = min(_fewer(newest.target), _fewer(older.target)) >= MIN_CALIBRATION_ROWS // 2
    if not enough or time_ms[-1] - start < MIN_CALIBRATION_MS:
        return Fitted(_fit(samples, options), "none", len(samples))
    model = CalibratedClassifierCV(FrozenEstimator(_fit(older, options)), method="sigmoid")
    model.fit(newest.features, newest.target)
    return Fitted(model, "sigmoid on the newest rows", len(older))


def hush(fitted: Fitted, samples: Samples) -> Fitted:
    """Pull the probabilities of a model without an edge nine tenths of the way to one half.

    Fitted on an hour of one market, it is sure of what was chance there, all the more where rates
    differ. Its order of rows stays, and its log loss is that of saying one half.
    """
    p_up = scorer(fitted.model)(samples.features)
    wanted = 0.5 + HUSHED_SHARE * (p_up - 0.5)
    model = CalibratedClassifierCV(FrozenEstimator(fitted.model), method="sigmoid")
    with warnings.catch_warnings():
        # That weights reach the calibrator alone is what is wanted here.
        warnings.filterwarnings("ignore", message="Since FrozenEstimator does not appear")
        # It learns the wanted probability: each row has both answers, weighted by that.
        model.fit(
            np.tile(samples.features, (2, 1)),
            np.repeat([1, 0], len(samples)),
            sample_weight=np.concatenate([wanted, 1.0 - wanted]),
        )
    return fitted._replace(model=model, calibration=HUSHED)


def recipe(options: Options) -> Recipe:
    """Give the model as something that can be trained anew for each test of a walk."""

    def learn(past: Samples, seed: int) -> Scorer:
        return scorer(fit(past, replace(options, seed=seed)).model)

    return learn


def scorer(model: Any) -> Scorer:
    """Give a fitted classifier's probability of "up" as a function of rows."""

    def score(features: Vectors) -> Floats:
        p_up: Floats = model.predict_proba(features)[:, 1]
        return p_up

    return score


def _fewer(target: Labels) -> int:
    ones = int(target.sum())
    return min(ones, len(target) - ones)


def _fit(samples: Samples, options: Options) -> Any:
    if not _fewer(samples.target):
        raise TrainingError("all training rows have the same answer; give a longer recording")
    model = {"forest": _forest, "logistic": _logistic, "boosting": _boosting}[options.kind](
        len(samples), options
    )
    model.fit(samples.features, samples.target)
    if options.kind == "forest":
        # Threads add the trees up in any order, which changes the last bits; and a small call
        # is dearer with them.
        model.n_jobs = 1
    return model


def _leaf(rows: int) -> int:
    return min(MIN_SAMPLES_LEAF, max(1, int(rows * SMALL_SAMPLE_LEAF_SHARE)))


def _forest(rows: int, options: Options) -> RandomForestClassifier:
    drawn = min(rows, options.max_rows)
    return RandomForestClassifier(
        n_estimators=options.trees,
        max_depth=options.max_depth,
        min_samples_leaf=_leaf(drawn),
        max_samples=drawn,
        max_features="sqrt",
        random_state=options.seed,
        n_jobs=-1,
    )


def _logistic(_rows: int, options: Options) -> Any:
    return make_pipeline(
        StandardScaler(),
        LogisticRegression(C=LOGISTIC_C, max_iter=200, random_state=options.seed),
    )


def _boosting(rows: int, options: Options) -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(
        max_iter=BOOSTING_ROUNDS,
        learning_rate=BOOSTING_RATE,
        max_leaf_nodes=BOOSTING_LEAVES,
        min_samples_leaf=_leaf(rows),
        early_stopping=False,
        random_state=options.seed,
    )
