"""Detectors ring when something has changed, and not because trades resemble their neighbours."""

from __future__ import annotations

import numpy as np
import pytest

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES
from cryptostream.models.drift import (
    ADWIN_MAX,
    MIN_HISTORY,
    MIN_ROWS,
    Adwin,
    Finding,
    WindowDrift,
)

ROWS = 600


def persistent(rng: np.random.Generator, windows: int) -> list[np.ndarray]:
    """Make windows of one unchanged process whose neighbouring rows resemble each other."""
    noise = rng.standard_normal((windows * ROWS, FEATURE_COUNT)) * 0.05
    series = np.empty_like(noise)
    level = np.zeros(FEATURE_COUNT)
    for at, step in enumerate(noise):
        level = 0.998 * level + step
        series[at] = level
    return list(series.astype(np.float32).reshape(windows, ROWS, FEATURE_COUNT))


def test_an_unchanged_persistent_market_rings_rarely() -> None:
    """Its windows differ far beyond 0.25, yet only about one in a hundred is an alarm."""
    drift = WindowDrift({})
    found = [drift.compare(rows) for rows in persistent(np.random.default_rng(1), 80)]
    values = [one for findings in found for one in findings]
    judged = [one for one in values if one.threshold is not None]
    assert np.mean([one.value > 0.25 for one in values]) > 0.5
    assert len(judged) > 400
    assert np.mean([one.alarm for one in judged]) < 0.04


def test_a_changed_feature_rings() -> None:
    """A shift beyond all that its past has seen is an alarm for that feature alone."""
    rng = np.random.default_rng(2)
    history = {name: [0.2] * MIN_HISTORY for name in FEATURE_NAMES}
    drift = WindowDrift(history)
    rows = rng.standard_normal((ROWS, FEATURE_COUNT)).astype(np.float32)
    assert drift.compare(rows) == []
    changed = rng.standard_normal((ROWS, FEATURE_COUNT)).astype(np.float32)
    changed[:, FEATURE_NAMES.index("macd")] += 1.0
    alarms = [one.feature for one in drift.compare(changed) if one.alarm]
    assert alarms == ["macd"]


def test_without_a_past_there_is_no_alarm() -> None:
    """As long as the past is short, values are told without a threshold."""
    drift = WindowDrift({})
    rng = np.random.default_rng(3)
    for shift in (0.0, 5.0):
        found = drift.compare(rng.standard_normal((ROWS, FEATURE_COUNT)).astype(np.float32) + shift)
    assert {one.threshold for one in found} == {None}
    assert not any(one.alarm for one in found)
    assert "threshold" not in found[0].document(0, "10m")


def test_a_window_with_few_rows_is_left_out() -> None:
    """Few rows give no finding, and nothing is compared with them later."""
    drift = WindowDrift({})
    many = np.zeros((MIN_ROWS, FEATURE_COUNT), np.float32)
    assert drift.compare(many) == []
    assert drift.compare(many[: MIN_ROWS - 1]) == []
    assert drift.compare(many) == []
    assert len(drift.compare(many)) == FEATURE_COUNT


def test_adwin_finds_a_change_and_forgets_what_was_before() -> None:
    """A jump of the mean rings within minutes, and the window then starts at the jump."""
    rng = np.random.default_rng(4)
    adwin = Adwin("log_loss")
    before = [adwin.add(value) for value in rng.normal(0.69, 0.01, 200)]
    assert not any(one.alarm for one in before)
    rang = [at for at, value in enumerate(rng.normal(0.75, 0.01, 60)) if adwin.add(value).alarm]
    assert rang
    assert rang[0] < 30
    assert len(adwin) < 80


@pytest.mark.parametrize("seed", range(5))
def test_adwin_is_quiet_on_a_steady_series(seed: int) -> None:
    """A day of minutes of one mean rings never; the window stays bounded."""
    adwin = Adwin("log_loss")
    values = np.random.default_rng(seed).normal(0.69, 0.02, 600)
    assert not any(adwin.add(value).alarm for value in values)
    assert len(adwin) == len(values) <= ADWIN_MAX


def test_adwin_says_nothing_of_equal_values() -> None:
    """A constant series has no change."""
    adwin = Adwin("log_loss")
    assert {adwin.add(0.5).value for _ in range(50)} == {0.0}


def test_an_alarm_needs_a_threshold() -> None:
    """Above the threshold is an alarm, at it is none."""
    assert Finding("a", "psi", 1.1, 1.0).alarm
    assert not Finding("a", "psi", 1.0, 1.0).alarm
    assert not Finding("a", "psi", 9.0, None).alarm
