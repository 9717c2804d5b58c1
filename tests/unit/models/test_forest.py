"""The forest is calibrated on later rows where there are enough, and never on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryptostream.models.errors import TrainingError
from cryptostream.models.forest import ForestOptions, fit, predict

if TYPE_CHECKING:
    import numpy.typing as npt

    from cryptostream.models.evaluate import Targets

OPTIONS = ForestOptions(trees=5, max_rows=1_000)


def rows(count: int = 2_000) -> tuple[npt.NDArray[np.float32], Targets]:
    """Draw rows of which the first feature tilts the answer."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((count, 22)).astype(np.float32)
    return features, (features[:, 0] + rng.standard_normal(count) > 0).astype(np.int8)


@pytest.mark.parametrize(("step_ms", "calibrated"), [(2_000, True), (500, False)])
def test_a_long_enough_newest_slice_calibrates(step_ms: int, calibrated: bool) -> None:  # noqa: FBT001 - a parameter
    """Calibration needs 10 minutes of later rows; without them the card says none."""
    features, target = rows()
    time_ms = np.arange(len(target), dtype=np.int64) * step_ms
    fitted = fit(features, target, time_ms, time_ms, OPTIONS)
    assert (fitted.calibration != "none") is calibrated
    assert fitted.rows == OPTIONS.max_rows
    p_up = predict(fitted.model, features)
    assert ((p_up >= 0) & (p_up <= 1)).all()


def test_the_forest_never_sees_rows_settled_in_the_calibration_slice() -> None:
    """Rows whose answer falls into the newest slice grow no tree."""
    features, target = rows()
    time_ms = np.arange(len(target), dtype=np.int64) * 2_000
    start = int(len(target) * 0.8)
    fitted = fit(features, target, time_ms, time_ms + 200_000, ForestOptions(trees=5))
    assert fitted.rows == start - (200_000 + OPTIONS.embargo_ms) // 2_000


def test_one_answer_only_is_refused() -> None:
    """Rows that all have the same answer grow no forest."""
    features, _ = rows(50)
    time_ms = np.arange(50, dtype=np.int64)
    with pytest.raises(TrainingError, match="same answer"):
        fit(features, np.ones(50, dtype=np.int8), time_ms, time_ms, OPTIONS)
