"""Incoming features are compared with the training rows, cheaply and within bounds."""

from __future__ import annotations

import numpy as np
import pytest

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES
from cryptostream.contracts.psi import FLOOR, psi
from cryptostream.predictor.drift import (
    EVERY_SECONDS,
    MIN_ROWS,
    SAMPLE_ROWS,
    WINDOW_ROWS,
    Histogram,
    InputDrift,
)
from cryptostream.predictor.exposition import exposition
from cryptostream.predictor.pointer import Pointer, Served

RNG = np.random.default_rng(0)
EDGES = np.quantile(RNG.standard_normal(10_000), np.linspace(0.1, 0.9, 9)).tolist()
HISTOGRAM = Histogram([EDGES] * FEATURE_COUNT, [[0.1] * 10] * FEATURE_COUNT)


def observed(shift: float, looks: int = 40) -> InputDrift:
    """Look at rows of which one feature is shifted."""
    drift = InputDrift(HISTOGRAM)
    for look in range(looks):
        rows = RNG.standard_normal((SAMPLE_ROWS, FEATURE_COUNT)).astype(np.float32)
        rows[:, FEATURE_NAMES.index("macd")] += shift
        drift.observe(rows, look * EVERY_SECONDS)
    return drift


def test_psi_is_zero_for_equals_and_symmetric() -> None:
    """The index of a histogram with itself is 0; it doesn't matter which one was first."""
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0.0
    assert psi([0.2, 0.8], [0.6, 0.4]) == pytest.approx(psi([0.6, 0.4], [0.2, 0.8]))
    assert psi([0.2, 0.8], [0.6, 0.4]) == pytest.approx(0.4 * np.log(3) + 0.4 * np.log(2))


def test_psi_of_an_empty_bin_is_finite() -> None:
    """A bin that nobody fell into counts as a small share."""
    expected = (1 - FLOOR) * np.log(1 / FLOOR) * 2
    assert psi([1.0, 0.0], [0.0, 1.0]) == pytest.approx(expected)


def test_a_shifted_feature_stands_out() -> None:
    """The shifted feature has a large index, the others a small one."""
    values = observed(1.0).values()
    assert values.pop("macd") > 0.5
    assert max(values.values()) < 0.02


def test_nothing_is_said_on_few_rows() -> None:
    """Below the least number of rows there is no value."""
    assert observed(0.0, looks=MIN_ROWS // SAMPLE_ROWS).values() == {}


def test_the_past_fades() -> None:
    """After a window's rows of another kind, the index shows the new kind."""
    drift = observed(3.0)
    before = drift.values()["macd"]
    for look in range(100, 100 + 4 * WINDOW_ROWS // SAMPLE_ROWS):
        rows = RNG.standard_normal((SAMPLE_ROWS, FEATURE_COUNT)).astype(np.float32)
        drift.observe(rows, look * EVERY_SECONDS)
    assert drift.values()["macd"] < before / 50


def test_looks_are_rare_and_small() -> None:
    """Many calls within a moment cost one look, at a sample of the rows."""
    drift = InputDrift(HISTOGRAM)
    rows = np.zeros((20_000, FEATURE_COUNT), np.float32)
    for _ in range(100):
        drift.observe(rows, 1.0)
    assert drift.values() == {}


@pytest.mark.parametrize(
    ("edges", "shares"),
    [
        ([], []),
        ([EDGES] * FEATURE_COUNT, [[0.5] * 9] * FEATURE_COUNT),
        ([EDGES[::-1]] * FEATURE_COUNT, [[0.1] * 10] * FEATURE_COUNT),
    ],
)
def test_what_is_no_histogram_does_not_fit(
    edges: list[list[float]], shares: list[list[float]]
) -> None:
    """A card must have ordered edges and their shares for each feature."""
    assert HISTOGRAM.fits()
    assert not Histogram(edges, shares).fits()


def test_the_exposition_names_the_model_its_age_and_its_drift() -> None:
    """Each gauge has its help and type; a model without a histogram has no drift."""
    served = Served(
        Pointer("m:1", ""), no_edge=True, p_up=lambda rows: rows[:, 0], made_seconds=100.0,
        drift=observed(0.0),
    )  # fmt: skip
    text = exposition(served, 160.0, refused=False)
    assert 'cryptostream_predictor_model_info{model="m:1",no_edge="true"} 1\n' in text
    assert "cryptostream_predictor_model_age_seconds 60\n" in text
    assert text.count("cryptostream_predictor_feature_psi{feature=") == FEATURE_COUNT
    assert "model_refused 1\n" in exposition(None, 0.0, refused=True)
