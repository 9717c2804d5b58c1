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


def forest() -> RandomForestClassifier:
    """Grow a small forest."""
    grown = RandomForestClassifier(12, max_depth=6, random_state=0, n_jobs=2)
    return grown.fit(ROWS, TARGET)


def calibrated(method: str) -> CalibratedClassifierCV:
    """Calibrate a frozen forest."""
    return CalibratedClassifierCV(FrozenEstimator(forest()), method=method).fit(ROWS, TARGET)


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
    """Forests, calibrated or not, and other models score as `predict_proba` does."""
    model: Any = MODELS[name]()
    wanted = model.predict_proba(ROWS[:rows])[:, 1]
    assert scorer_of(model)(ROWS[:rows]) == pytest.approx(wanted, abs=1e-12)


class OddForest(RandomForestClassifier):
    """A forest whose answer isn't its trees' mean."""

    def predict_proba(self, X: Any) -> Any:  # noqa: N803 - scikit-learn's name
        """Sharpen the probabilities."""
        p = super().predict_proba(X) ** 2
        return p / p.sum(axis=1, keepdims=True)


def test_a_shortcut_that_disagrees_is_not_taken() -> None:
    """Where the trees' mean isn't the model's answer, the model itself is asked."""
    model = OddForest(12, max_depth=6, random_state=0).fit(ROWS, TARGET)
    assert scorer_of(model)(ROWS) == pytest.approx(model.predict_proba(ROWS)[:, 1], abs=1e-12)
