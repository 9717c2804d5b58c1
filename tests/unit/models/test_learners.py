"""Models are calibrated on later rows where there are enough, and never on their own."""

from __future__ import annotations

import numpy as np
import pytest

from cryptostream.models.dataset import Samples
from cryptostream.models.errors import TrainingError
from cryptostream.models.learners import HUSHED, KINDS, Kind, Options, fit, hush, scorer

OPTIONS = Options(trees=5, max_rows=1_000)


def samples(count: int = 2_000, *, step_ms: int = 2_000, settle_ms: int = 0) -> Samples:
    """Draw rows of which the first feature tilts the answer."""
    rng = np.random.default_rng(0)
    features = rng.standard_normal((count, 22)).astype(np.float32)
    time_ms = np.arange(count, dtype=np.int64) * step_ms
    return Samples(
        symbols=("BTCUSDT",),
        horizon_ms=10_000,
        features=features,
        target=(features[:, 0] + rng.standard_normal(count) > 0).astype(np.int8),
        settled_ms=time_ms + settle_ms,
        move_bps=np.zeros(count, dtype=np.float32),
        tick=np.ones(count, dtype=np.int8),
        side=np.ones(count, dtype=np.int8),
        time_ms=time_ms,
        symbol=np.zeros(count, dtype=np.int16),
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("step_ms", "calibrated"), [(10_000, True), (5_000, False)])
def test_a_long_enough_newest_slice_calibrates(
    kind: Kind,
    step_ms: int,
    calibrated: bool,  # noqa: FBT001 - a parameter
) -> None:
    """Calibration needs an hour of later rows; without them the card says none."""
    rows = samples(step_ms=step_ms)
    fitted = fit(rows, Options(kind=kind, trees=5))
    assert (fitted.calibration != "none") is calibrated
    p_up = scorer(fitted.model)(rows.features)
    assert ((p_up >= 0) & (p_up <= 1)).all()
    assert np.corrcoef(p_up, rows.features[:, 0])[0, 1] > 0.5
    assert fitted.model.n_features_in_ == 22
    assert list(fitted.model.classes_) == [0, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_a_hushed_model_keeps_its_order_and_little_else(kind: Kind) -> None:
    """Rows stand in the same order, all of them close to one half."""
    rows = samples()
    loud = fit(rows, Options(kind=kind, trees=5))
    hushed = hush(loud, rows)
    assert hushed.calibration == HUSHED
    before, after = (scorer(one.model)(rows.features) for one in (loud, hushed))
    assert (np.argsort(before, kind="stable") == np.argsort(after, kind="stable")).all()
    assert np.abs(after - 0.5).max() < 0.1


def test_the_model_never_sees_rows_settled_in_the_calibration_slice() -> None:
    """Rows whose answer falls into the newest slice fit nothing but the calibration."""
    fitted = fit(samples(step_ms=10_000, settle_ms=200_000), OPTIONS)
    assert fitted.rows == 1_600 - (200_000 + OPTIONS.embargo_ms) // 10_000


@pytest.mark.parametrize("kind", KINDS)
def test_fitting_repeats_bit_for_bit(kind: Kind) -> None:
    """The same rows and seed give the same probabilities, to the last bit."""
    rows = samples()
    first, again = (
        scorer(fit(rows, Options(kind=kind, trees=5, seed=3)).model)(rows.features)
        for _ in range(2)
    )
    assert first.tolist() == again.tolist()


def test_one_answer_only_is_refused() -> None:
    """Rows that all have the same answer fit no model."""
    rows = samples(50)
    rows.target[:] = 1
    with pytest.raises(TrainingError, match="same answer"):
        fit(rows, OPTIONS)
