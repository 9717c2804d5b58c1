"""Indicators against TA-Lib, on walks, on recorded markets and on hostile prices."""

from __future__ import annotations

import copy
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st
from support.candles import a_candle, candles_of, random_walk, recorded

from cryptostream.contracts.mappings import INDICATORS
from cryptostream.stream.indicators import NEUTRAL, WARM_UP_CANDLES, Indicators

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.messages import Candle

RELATIVE = 1e-9
RECORDED = Path(os.environ.get("RECORDED_TRADES", Path(__file__).parents[4] / "shared" / "data"))
FILES = (
    "BTCUSDT-binance-spot-2024-08-08_09.csv.gz",
    "ETHUSDT-binance-spot-2024-08-08_09.csv.gz",
    "LTCUSDT-binance-spot-2025-06-21_22.csv.gz",
)
#: The candles (counted from one) on which each value appears first.
FIRST = {
    "rsi_14": 15, "macd": 26, "macd_signal": 34, "macd_histogram": 34,
    "bb_middle": 20, "bb_upper": 20, "bb_lower": 20,
    "ema_9": 9, "ema_21": 21, "ema_50": 50, "atr_14": 15, "obv": 1,
    "stoch_k": 16, "stoch_d": 18, "vwap": 20, "vwap_upper": 20, "vwap_lower": 20,
}  # fmt: skip


def run(candles: Sequence[Candle]) -> list[dict[str, float]]:
    """Give the values of each candle, in order."""
    indicators, found = Indicators(), []
    for candle in candles:
        found.append(indicators.values(candle)[0])
        indicators.update(candle)
    return found


def column(candles: Sequence[Candle], name: str) -> np.ndarray:
    """Give one field of all candles."""
    return np.array([getattr(candle, name) for candle in candles], dtype=float)


def reference(candles: Sequence[Candle]) -> dict[str, np.ndarray]:
    """Compute every indicator with TA-Lib, and the VWAP bands with numpy."""
    close, high, low = (column(candles, name) for name in ("close", "high", "low"))
    volume = column(candles, "volume")
    found = {f"ema_{period}": talib.EMA(close, period) for period in (9, 21, 50)}
    found["rsi_14"], found["atr_14"] = talib.RSI(close, 14), talib.ATR(high, low, close, 14)
    macd = talib.MACD(close, 12, 26, 9)
    found |= dict(zip(("macd", "macd_signal", "macd_histogram"), macd, strict=True))
    bands = talib.BBANDS(close, 20, 2, 2)
    found |= dict(zip(("bb_upper", "bb_middle", "bb_lower"), bands, strict=True))
    found["obv"] = talib.OBV(close, volume)
    found["stoch_k"], found["stoch_d"] = talib.STOCH(high, low, close, 14, 3, 0, 3, 0)
    vwap = [vwap_bands(candles[end - 20 : end]) for end in range(20, len(candles) + 1)]
    columns = np.vstack([np.full((19, 3), np.nan), *vwap])
    found |= dict(zip(("vwap_lower", "vwap", "vwap_upper"), columns.T, strict=True))
    return found


def vwap_bands(window: Sequence[Candle]) -> np.ndarray:
    """Compute the bands of one window of candles the plain way."""
    weights, turnover = column(window, "volume"), column(window, "turnover")
    mean = turnover.sum() / weights.sum()
    deviation = np.sqrt(np.average((turnover / weights - mean) ** 2, weights=weights))
    return np.array([[mean - 2 * deviation, mean, mean + 2 * deviation]])


def assert_agree(
    candles: Sequence[Candle], *, leave_out: Sequence[str] = (), after: int = 0
) -> None:
    """Hold every value against the reference's, relative to its size and its price's.

    A difference of prices (macd) carries the rounding of the prices, not of itself.
    """
    ours, theirs = run(candles), reference(candles)
    scale = {name: float(np.abs(column(candles, "close")).max()) for name in INDICATORS}
    scale |= dict.fromkeys(("rsi_14", "stoch_k", "stoch_d"), 100.0)
    scale["obv"] = float(column(candles, "volume").sum())
    for number in range(after, len(candles)):
        for name in set(INDICATORS) - set(leave_out):
            expected = theirs[name][number]
            if np.isnan(expected) or is_undecided(name, ours[number][name], expected):
                continue
            error = abs(ours[number][name] - expected)
            assert error <= RELATIVE * max(abs(expected), 1e-3 * scale[name]), (number, name)


def is_undecided(name: str, ours: float, expected: float) -> bool:
    """Tell whether nothing moved, where TA-Lib says 0 and we say the neutral middle."""
    return name == "rsi_14" and expected == 0.0 and ours == NEUTRAL


@pytest.mark.parametrize("seed", range(5))
def test_values_agree_with_talib_on_a_random_walk(seed: int) -> None:
    """After warm-up nothing differs from TA-Lib by more than 1e-9."""
    assert_agree(random_walk(400, seed=seed))


@pytest.mark.parametrize("price", [3e-7, 1.0, 65_000.0])
def test_values_agree_with_talib_at_any_price_level(price: float) -> None:
    """The price of a coin, tiny or large, costs no digits."""
    assert_agree(random_walk(300, seed=11, price=price))


@settings(max_examples=40, deadline=None)
@given(
    closes=st.lists(st.integers(1, 10_000), min_size=60, max_size=120),
    size=st.floats(1e-3, 1e3),
)
def test_values_agree_with_talib_on_any_closes(closes: list[int], size: float) -> None:
    """Wild prices are no exception, ties and jumps of four digits included."""
    tapes = [[(close * 1.01, size), (close * 0.98, size), (float(close), size)] for close in closes]
    assert_agree(candles_of(tapes))


@pytest.mark.parametrize("file", FILES)
def test_values_agree_with_talib_on_recorded_trades(file: str) -> None:
    """Real markets too: one-second candles with the gaps that a real market has."""
    if not (RECORDED / file).exists():
        pytest.skip(f"no recorded trades at {RECORDED / file}; set RECORDED_TRADES")
    candles = recorded(RECORDED / file, 1_000, 2_000)
    still = {number for number, one in enumerate(candles) if is_still(candles, number, one)}
    assert len(candles) > 500
    assert_agree(candles, leave_out=("stoch_k", "stoch_d") if still else ())


def is_still(candles: Sequence[Candle], number: int, candle: Candle) -> bool:
    """Tell whether nothing moved over the stochastic's period."""
    window = candles[max(0, number - 13) : number + 1]
    return all(one.high == one.low == candle.close for one in window)


def test_one_huge_jump_is_survived() -> None:
    """A jump by a million leaves no trace where a period forgets it, and none worth a band."""
    calm = random_walk(300, seed=3)
    candles = [*calm[:100], a_candle(100, close=1e8, high=1e8, low=100.0), *calm[101:]]
    assert_agree(
        candles, leave_out=("bb_upper", "bb_middle", "bb_lower", "vwap", "vwap_upper", "vwap_lower")
    )
    ours = run(candles)
    expected = talib.BBANDS(column(candles[-20:], "close"), 20, 2, 2)
    assert ours[-1]["bb_upper"] == pytest.approx(expected[0][-1], rel=RELATIVE)
    assert ours[-1]["vwap_lower"] == pytest.approx(vwap_bands(candles[-20:])[0, 0], rel=RELATIVE)


def test_a_market_that_stands_still_is_neutral() -> None:
    """No move is no signal: RSI and stochastic are in the middle, bands have no width."""
    flat = candles_of([[(7.25, 1.0), (7.25, 2.0)]] * 80)
    last = run(flat)[-1]
    assert last["rsi_14"] == last["stoch_k"] == last["stoch_d"] == NEUTRAL
    assert last["bb_lower"] == last["bb_upper"] == last["vwap_lower"] == last["ema_50"] == 7.25
    assert last["macd"] == last["macd_histogram"] == last["atr_14"] == 0.0
    assert last["obv"] == 3.0


def test_a_market_that_only_rises_is_at_the_top() -> None:
    """Rises alone give RSI 100, and a close at the high gives %K 100."""
    last = run(candles_of([[(100.0 + number, 1.0)] for number in range(60)]))[-1]
    assert last["rsi_14"] == last["stoch_k"] == 100.0


def test_values_appear_when_they_are_warm() -> None:
    """A value is left out until its period is full; the flag says when all are there."""
    indicators = Indicators()
    for number, candle in enumerate(random_walk(60, seed=5), start=1):
        values, warm = indicators.values(candle)
        assert set(values) == {name for name, first in FIRST.items() if number >= first}
        assert warm == (number >= WARM_UP_CANDLES)
        indicators.update(candle)


def test_asking_changes_nothing() -> None:
    """An open candle may be asked about many times, with any price."""
    indicators = Indicators()
    *candles, last = random_walk(70, seed=6)
    for candle in candles:
        indicators.update(candle)
    before = copy.deepcopy(indicators.state())
    expected = indicators.values(last)
    for number in range(10):
        indicators.values(a_candle(len(candles), close=100.0 + number, high=200.0))
    assert indicators.state() == before
    assert indicators.values(last) == expected


def test_intervals_without_trades_are_passed_over() -> None:
    """A period counts candles, not time: a gap changes no value."""
    candles = random_walk(80, seed=7)
    gappy = [
        a_candle(number * 9, **{
            name: getattr(candle, name)
            for name in ("open", "high", "low", "close", "volume", "turnover")
        })
        for number, candle in enumerate(candles)
    ]  # fmt: skip
    assert run(gappy) == run(candles)


def test_a_candle_that_is_not_newer_is_left_out() -> None:
    """What a late trade corrects in an old candle does not count twice."""
    indicators = Indicators()
    candles = random_walk(60, seed=8)
    for candle in candles:
        indicators.update(candle)
    before = indicators.state()
    indicators.update(candles[-1])
    indicators.update(candles[10])
    assert indicators.state() == before
    assert indicators.values(candles[-1]) == ({}, False)


@pytest.mark.parametrize("cut", [0, 1, 13, 14, 20, 26, 33, 49, 50, 120])
def test_state_goes_through_json_bit_for_bit(cut: int) -> None:
    """Whenever it is saved, what is restored goes on as if nothing had happened."""
    candles = random_walk(180, seed=9)
    first, second = Indicators(), Indicators()
    for candle in candles[:cut]:
        first.update(candle)
    second = Indicators(json.loads(json.dumps(first.state())))
    for candle in candles[cut:]:
        assert second.values(candle) == first.values(candle)
        first.update(candle)
        second.update(candle)
    assert second.state() == first.state()


def test_state_is_bounded() -> None:
    """However long it runs, it keeps what its longest window needs."""
    indicators = Indicators()
    for candle in random_walk(2_000, seed=10):
        indicators.update(candle)
    assert len(json.dumps(indicators.state())) < 4_000
