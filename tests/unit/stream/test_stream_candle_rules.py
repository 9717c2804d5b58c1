"""Candle rules: told when it begins, calm before it can be told again, and never twice."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.candles import START_MS, a_candle

from cryptostream.contracts.messages import INTERVAL_MS, Alert, Candle
from cryptostream.stream.candle_rules import CandleRules
from cryptostream.stream.rules import load_rules

RULES = load_rules()
QUARTER = INTERVAL_MS["15m"]
#: Long enough for every cooldown of the shipped rules.
WARM = [50.0] * 40


def quarter(number: int, close: float = 100.0, **changes: object) -> Candle:
    """Give a 15-minute candle of a market with plenty of turnover."""
    start = START_MS // QUARTER * QUARTER + number * QUARTER
    fields = {"interval": "15m", "start": start, "close": close, "turnover": 1e6, **changes}
    return a_candle(**fields)


def of_rsi(values: list[float], rules: CandleRules | None = None) -> list[Alert]:
    """Give the alerts of a run of RSI values, one a candle."""
    watched = rules or CandleRules(RULES)
    return [
        alert
        for number, rsi in enumerate(values)
        for alert in watched.take(quarter(number), {"rsi_14": rsi})
    ]


def of_scores(scores: list[float]) -> list[Alert]:
    """Give the alerts of closes that are so many deviations of 2.0 off a middle of 100."""
    watched = CandleRules(RULES)
    bands = {"bb_middle": 100.0, "bb_upper": 104.0, "bb_lower": 96.0}
    return [
        alert
        for number, score in enumerate(scores)
        for alert in watched.take(quarter(number, 100.0 + 2.0 * score), bands)
    ]


@pytest.mark.parametrize(
    ("rsi", "word", "limit"), [(88.0, "overbought", 85), (9.0, "oversold", 15)]
)
def test_an_extreme_is_told_when_it_begins(rsi: float, word: str, limit: float) -> None:
    """Candles that stay extreme add nothing; the evidence holds the values."""
    (alert,) = of_rsi([*WARM, rsi, rsi, rsi])
    assert alert.rule == "rsi_extreme"
    assert (alert.value, alert.baseline, alert.threshold) == (rsi, 50.0, limit)
    assert alert.evidence == {"rsi_14": rsi, "close": 100.0}
    assert alert.time == quarter(len(WARM)).start + QUARTER
    assert word in alert.message
    assert "BTCUSDT 15m" in alert.message


def test_an_extreme_is_told_again_after_calm() -> None:
    """Within the margin it is still the same extreme; below it, a new one."""
    assert len(of_rsi([*WARM, 86.0, 80.1, 86.0])) == 1
    extremes = [a for a in of_rsi([*WARM, 86.0, 70.0, 86.0]) if a.rule == "rsi_extreme"]
    assert len({alert.alert_id for alert in extremes}) == len(extremes) == 2


@pytest.mark.parametrize(
    ("before", "rsi", "told"), [(82, 79, True), (18, 21, True), (81, 80, False), (60, 40, False)]
)
def test_a_cross_comes_back_from_an_extreme(before: float, rsi: float, *, told: bool) -> None:
    """RSI falls below 80 from above it or rises above 20; nothing else is a cross."""
    alerts = of_rsi([*WARM, before, rsi])
    assert [alert.rule for alert in alerts] == ["rsi_cross"] * told


@pytest.mark.parametrize("sign", [1, -1])
def test_a_break_of_the_bands_is_told_once(sign: int) -> None:
    """Three deviations are a break; back within one it is over."""
    (alert,) = of_scores([0.0] * 10 + [sign * 3.2, sign * 3.5, sign * 2.0, sign * 3.1])
    assert alert.rule == "bollinger_break"
    assert alert.value == pytest.approx(100 + sign * 6.4)
    assert alert.threshold == pytest.approx(100 + sign * 6.0)
    assert alert.evidence["deviations"] == pytest.approx(sign * 3.2)
    assert len(of_scores([0.0] * 10 + [sign * 3.2, 0.0, sign * 3.2])) == 2


def test_other_intervals_small_markets_and_flat_bands_are_left_alone() -> None:
    """Only what the rules name is judged, and a band without width can't break."""
    watched = CandleRules(RULES)
    for number in range(60):
        small = quarter(number, turnover=10.0)
        minute = a_candle(number, interval="1m", turnover=1e6)
        flat = quarter(number, 200.0, symbol="FLATUSDT")
        assert watched.take(small, {"rsi_14": 99.0}) == []
        assert watched.take(minute, {"rsi_14": 99.0}) == []
        assert watched.take(flat, {"bb_middle": 100.0, "bb_upper": 100.0}) == []


def test_an_older_candle_is_passed_over() -> None:
    """A candle told again, or out of order, changes nothing."""
    watched = CandleRules(RULES)
    of_rsi(WARM, watched)
    state = watched.state()
    assert watched.take(quarter(len(WARM) - 1), {"rsi_14": 99.0}) == []
    assert watched.state() == state


@given(st.lists(st.floats(0, 100), min_size=1, max_size=80), st.integers(0, 80))
def test_a_state_through_json_changes_nothing(values: list[float], cut: int) -> None:
    """Restored in the middle, the rules tell the same."""
    values = WARM + values
    straight = of_rsi(values)
    first, told = CandleRules(RULES), []
    for number, rsi in enumerate(values):
        if number == cut:
            first = CandleRules(RULES, json.loads(json.dumps(first.state())))
        told += first.take(quarter(number), {"rsi_14": rsi})
    assert told == straight
    assert len({alert.alert_id for alert in told}) == len(told)
