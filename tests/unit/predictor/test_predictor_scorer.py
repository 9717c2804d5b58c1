"""The shortcut scores exactly as scikit-learn does, and steps back where it can't."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression

from cryptostream.predictor.scorer import scorer_of

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((600, 22)).astype(np.float32)
TARGET = (ROWS[:, 0] + RNG.standard_normal(600) > 0).astype(np.int8)


def forest(threads: int = 1) -> RandomForestClassifier:
    """Grow a small forest."""
    grown = RandomForestClassifier(12, max_depth=6, random_state=0, n_jobs=threads)
    return grown.fit(ROWS, TARGET)


def calibrated(method: str, threads: int = 1) -> CalibratedClassifierCV:
    """Calibrate a frozen forest."""
    frozen = FrozenEstimator(forest(threads))
    return CalibratedClassifierCV(frozen, method=method).fit(ROWS, TARGET)


MODELS = {
    "forest": forest,
    "sigmoid": lambda: calibrated("sigmoid"),
    "isotonic": lambda: calibrated("isotonic"),
    "folds": lambda: CalibratedClassifierCV(forest(), cv=3).fit(ROWS, TARGET),
    "logistic": lambda: LogisticRegression().fit(ROWS, TARGET),
}


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("rows", [1, 600])
def test_scores_equal_scikit_learns(name: str, rows: int) -> None:
    """Forests, calibrated or not, and other models score as `predict_proba` does, bit for bit."""
    model: Any = MODELS[name]()
    wanted = model.predict_proba(ROWS[:rows])[:, 1]
    assert scorer_of(model)(ROWS[:rows]).tobytes() == wanted.tobytes()


@pytest.mark.parametrize("model", [forest(2), calibrated("sigmoid", 2), calibrated("isotonic", 2)])
def test_the_shortcut_is_taken(model: Any) -> None:
    """No `predict_proba` is called for a forest's answer, whatever threads it was saved with."""
    score = scorer_of(model)
    model.predict_proba = None
    assert len(score(ROWS)) == len(ROWS)


class OddForest(RandomForestClassifier):
    """A forest whose answer isn't its trees' mean."""

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Sharpen the probabilities."""
        p = super().predict_proba(X) ** 2
        return p / p.sum(axis=1, keepdims=True)


def test_a_shortcut_that_disagrees_is_not_taken() -> None:
    """Where the trees' mean isn't the model's answer, the model itself is asked."""
    model = OddForest(12, max_depth=6, random_state=0).fit(ROWS, TARGET)
    assert scorer_of(model)(ROWS).tobytes() == model.predict_proba(ROWS)[:, 1].tobytes()
