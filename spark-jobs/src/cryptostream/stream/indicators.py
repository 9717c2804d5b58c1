"""Technical indicators of one symbol's candles of one interval. Pure.

Candles come in the order of their start. Intervals without trades have no candle: indicators
advance from candle to candle, as charts do, and a period counts candles, not time.

Each has TA-Lib's definition and TA-Lib's start-up (C = close, H = high, L = low, V = volume):

rsi_14          Wilder 1978. 100 * U / (U + D), U and D Wilder's averages of rises and falls of C.
macd            Appel 1979. EMA12(C) - EMA26(C); both start on the 26th candle, each with the mean
                of its own last closes.
macd_signal     EMA9 of macd; macd_histogram = macd - macd_signal.
bb_middle       Bollinger 2001. Mean of the last 20 C; bb_upper and bb_lower lie 2 standard
                deviations (of the population) away.
ema_9 .. ema_50 EMA of C, seeded with the mean of the first 9, 21, 50 closes.
atr_14          Wilder 1978. Wilder's average of the true range max(H, C') - min(L, C'), C' the
                close before; the first candle has none.
obv             Granville 1963. V of the first candle, then + V when C rose and - V when it fell.
                Its level depends on where it began; only its changes tell.
stoch_k         Lane 1984, slow (14, 3, 3). Mean of the last 3 of 100 * (C - L14) / (H14 - L14),
                H14 and L14 the extremes of 14 candles; stoch_d = mean of the last 3 stoch_k.
vwap            Turnover / volume of the last 20 candles (no session: the market never closes, and
                a day's anchor would leave a fresh stream cold until midnight).
vwap_upper      vwap + 2 volume-weighted standard deviations of the candles' own VWAPs around it;
                vwap_lower lies as far below.

Where a quotient is 0 / 0 (no move at all in the period) rsi_14 and stochastic values are 50, the
neutral middle: TA-Lib's 0 would call a market that stands still oversold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptostream.contracts.mappings import INDICATORS
from cryptostream.stream.averages import Average, exponential, wilder
from cryptostream.stream.spread import Spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.messages import Candle

RSI_PERIOD: Final = 14
ATR_PERIOD: Final = 14
MACD_FAST, MACD_SLOW, MACD_SIGNAL = 12, 26, 9
BAND_PERIOD: Final = 20
BAND_DEVIATIONS: Final = 2.0
STOCHASTIC_PERIOD: Final = 14
SMOOTHING: Final = 3
EMAS: Final = {"ema_9": 9, "ema_21": 21, "ema_50": 50}
#: Candles until every indicator has a value: the slowest is the longest EMA.
WARM_UP_CANDLES: Final = max(*EMAS.values(), MACD_SLOW + MACD_SIGNAL - 1)
NEUTRAL: Final = 50.0

#: What is kept of a final candle: close, high, low, volume, turnover.
_CLOSE, _HIGH, _LOW, _VOLUME, _TURNOVER = range(5)
_AVERAGES: Final = (
    "rise", "fall", "fast", "slow", "signal", "true_range", "ema_9", "ema_21", "ema_50",
)  # fmt: skip

Row = list[float]


class Indicators:
    """The indicators of one symbol and interval; about 2 kB however long it runs."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        """Start cold, or where `state` (of an earlier `state()`) left off."""
        self._averages: dict[str, Average] = {
            "rise": wilder(RSI_PERIOD),
            "fall": wilder(RSI_PERIOD),
            "fast": exponential(MACD_FAST, skip=MACD_SLOW - MACD_FAST),
            "slow": exponential(MACD_SLOW),
            "signal": exponential(MACD_SIGNAL),
            "true_range": wilder(ATR_PERIOD),
            **{name: exponential(period) for name, period in EMAS.items()},
        }
        self._start = -1
        self._rows: list[Row] = []
        self._obv = 0.0
        #: The last fast and slow %K, two each.
        self._fast_k: list[float] = []
        self._slow_k: list[float] = []
        #: Of the window's final candles: lowest low and highest high, closes, and VWAPs.
        self._range: tuple[float, float] | None = None
        self._closes: Spread | None = None
        self._prices: Spread | None = None
        if state is not None:
            self._restore(state)

    def update(self, candle: Candle) -> None:
        """Take in a candle that became final; its volume is positive, since trades made it.

        One that starts no later than the last one is left out: what a late trade corrects in an
        old candle does not change the indicators that came after it.
        """
        if candle.start <= self._start:
            return
        row = _row(candle)
        self._push_stochastic(row)
        self._obv = self._next_obv(row)
        self._push_averages(row)
        self._start = candle.start
        self._rows = [*self._rows[2 - BAND_PERIOD :], row]
        self._summarise()

    def values(self, candle: Candle) -> tuple[dict[str, float], bool]:
        """Give the indicators as if `candle` closed now, and whether all of them are warm.

        Values that still warm up are left out. A candle that starts no later than the last
        final one gets none: ({}, False).
        """
        if candle.start <= self._start:
            return {}, False
        row = _row(candle)
        found: dict[str, float | None] = {"obv": self._next_obv(row)}
        self._add_averages(row, found)
        self._add_bands(row, found)
        _, found["stoch_k"], found["stoch_d"] = self._stochastic(row)
        warm = {name: value for name in INDICATORS if (value := found.get(name)) is not None}
        return warm, len(warm) == len(INDICATORS)

    def state(self) -> dict[str, Any]:
        """Give all of it as JSON; `Indicators(state)` goes on bit for bit."""
        return {
            "start": self._start,
            "rows": [list(row) for row in self._rows],
            "obv": self._obv,
            "fast_k": list(self._fast_k),
            "slow_k": list(self._slow_k),
            "averages": [self._averages[name].state() for name in _AVERAGES],
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._start = int(state["start"])
        self._rows = [list(row) for row in state["rows"]]
        self._obv = float(state["obv"])
        self._fast_k, self._slow_k = list(state["fast_k"]), list(state["slow_k"])
        for name, saved in zip(_AVERAGES, state["averages"], strict=True):
            self._averages[name].restore(saved)
        self._summarise()

    def _summarise(self) -> None:
        """Prepare what every open candle asks of the last final ones."""
        rows = self._rows
        if len(rows) >= STOCHASTIC_PERIOD - 1:
            last = rows[1 - STOCHASTIC_PERIOD :]
            self._range = min([row[_LOW] for row in last]), max([row[_HIGH] for row in last])
        if len(rows) == BAND_PERIOD - 1:
            volumes = [row[_VOLUME] for row in rows]
            self._closes = Spread.of([row[_CLOSE] for row in rows], [1.0] * len(rows))
            self._prices = Spread.of([row[_TURNOVER] / row[_VOLUME] for row in rows], volumes)

    def _next_obv(self, row: Row) -> float:
        if not self._rows:
            return row[_VOLUME]
        before = self._rows[-1][_CLOSE]
        if row[_CLOSE] == before:
            return self._obv
        return self._obv + (row[_VOLUME] if row[_CLOSE] > before else -row[_VOLUME])

    def _push_averages(self, row: Row) -> None:
        average, close = self._averages, row[_CLOSE]
        for name in EMAS:
            average[name].push(close)
        fast, slow = average["fast"].push(close), average["slow"].push(close)
        if fast is not None and slow is not None:
            average["signal"].push(fast - slow)
        if self._rows:
            before = self._rows[-1][_CLOSE]
            average["rise"].push(max(close - before, 0.0))
            average["fall"].push(max(before - close, 0.0))
            average["true_range"].push(_true_range(row, before))

    def _add_averages(self, row: Row, found: dict[str, float | None]) -> None:
        average, close = self._averages, row[_CLOSE]
        for name in EMAS:
            found[name] = average[name].peek(close)
        fast, slow = average["fast"].peek(close), average["slow"].peek(close)
        if fast is not None and slow is not None:
            found["macd"] = macd = fast - slow
            signal = average["signal"].peek(macd)
            if signal is not None:
                found["macd_signal"], found["macd_histogram"] = signal, macd - signal
        if self._rows:
            before = self._rows[-1][_CLOSE]
            rise = average["rise"].peek(max(close - before, 0.0))
            fall = average["fall"].peek(max(before - close, 0.0))
            if rise is not None and fall is not None:
                found["rsi_14"] = _share(rise, rise + fall)
            found["atr_14"] = average["true_range"].peek(_true_range(row, before))

    def _add_bands(self, row: Row, found: dict[str, float | None]) -> None:
        if self._closes is None or self._prices is None:
            return
        middle, deviation = self._closes.completed(row[_CLOSE], 1.0)
        found["bb_middle"] = middle
        found["bb_upper"] = middle + BAND_DEVIATIONS * deviation
        found["bb_lower"] = middle - BAND_DEVIATIONS * deviation
        volume = row[_VOLUME]
        vwap, deviation = self._prices.completed(row[_TURNOVER] / volume, volume)
        found["vwap"] = vwap
        found["vwap_upper"] = vwap + BAND_DEVIATIONS * deviation
        found["vwap_lower"] = vwap - BAND_DEVIATIONS * deviation

    def _stochastic(self, row: Row) -> tuple[float | None, float | None, float | None]:
        """Give fast %K, slow %K and slow %D as they would be with this candle."""
        if self._range is None:
            return None, None, None
        low, high = min(row[_LOW], self._range[0]), max(row[_HIGH], self._range[1])
        fast = _share(row[_CLOSE] - low, high - low)
        slow = _mean_with(self._fast_k, fast)
        return fast, slow, None if slow is None else _mean_with(self._slow_k, slow)

    def _push_stochastic(self, row: Row) -> None:
        fast, slow, _ = self._stochastic(row)
        if fast is not None:
            self._fast_k = [*self._fast_k[2 - SMOOTHING :], fast]
        if slow is not None:
            self._slow_k = [*self._slow_k[2 - SMOOTHING :], slow]


def _row(candle: Candle) -> Row:
    return [candle.close, candle.high, candle.low, candle.volume, candle.turnover]


def _true_range(row: Row, before: float) -> float:
    return max(row[_HIGH], before) - min(row[_LOW], before)


def _share(part: float, whole: float) -> float:
    """Give percent; the middle of nothing at all."""
    return 100.0 * part / whole if whole > 0.0 else NEUTRAL


def _mean_with(last: Sequence[float], value: float) -> float | None:
    if len(last) < SMOOTHING - 1:
        return None
    return (sum(last) + value) / SMOOTHING
