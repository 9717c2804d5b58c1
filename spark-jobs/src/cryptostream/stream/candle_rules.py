"""Rules about final candles and their indicators: RSI extremes and crosses, Bollinger breaks. Pure.

A break or an extreme is told when it begins; the indicator must come back inside a calmer zone
before it can be told again, and the cooldown must be over. Of each symbol and interval candles
come in the order of their starts; one that is not newer is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cryptostream.contracts.messages import INTERVAL_MS
from cryptostream.stream.words import Finding, Instrument, alert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.contracts.messages import Alert, Candle
    from cryptostream.stream.rules import BollingerBreak, CandleRule, RsiCross, RsiExtreme, Rules


class CandleRules:
    """The candle rules of all symbols; `state` is kept per symbol and interval."""

    def __init__(self, rules: Rules, state: dict[str, Any] | None = None) -> None:
        self._rules = rules
        self._past: dict[str, dict[str, Any]] = {}
        for key, past in (state or {}).items():
            self._past[key] = {**past, "gates": dict(past["gates"])}
        self._intervals = {
            *rules.rsi_extreme.intervals,
            *rules.rsi_cross.intervals,
            *rules.bollinger_break.intervals,
        }

    def state(self) -> dict[str, Any]:
        """Give what restores it, JSON-able."""
        return {key: {**past, "gates": dict(past["gates"])} for key, past in self._past.items()}

    def take(self, candle: Candle, indicators: Mapping[str, float]) -> list[Alert]:
        """Judge a candle that became final; give the alerts that it proves."""
        if candle.interval not in self._intervals:
            return []
        key = f"{candle.exchange}:{candle.category}:{candle.symbol}:{candle.interval}"
        past = self._past.get(key)
        if past is None:
            past = self._past[key] = {"start": -1, "rsi": None, "rsis": 0, "bands": 0, "gates": {}}
        if candle.start <= past["start"]:
            return []
        judged = _Judged(candle, past)
        rsi, rules = indicators.get("rsi_14"), self._rules
        if rsi is not None:
            past["rsis"] += 1
            judged.rsi_extreme(rules.rsi_extreme, rsi)
            if past["rsi"] is not None:
                judged.rsi_cross(rules.rsi_cross, past["rsi"], rsi)
        middle, upper = indicators.get("bb_middle"), indicators.get("bb_upper")
        if middle is not None and upper is not None and upper > middle:
            past["bands"] += 1
            judged.bollinger_break(rules.bollinger_break, middle, (upper - middle) / 2)
        past["start"], past["rsi"] = candle.start, rsi
        return judged.told

    def forget(self, instrument: str) -> None:
        """Drop what is remembered of `exchange:category:symbol`."""
        for interval in self._intervals:
            self._past.pop(f"{instrument}:{interval}", None)


class _Judged:
    """One candle under judgement, with what is remembered of those before it."""

    def __init__(self, candle: Candle, past: dict[str, Any]) -> None:
        self.told: list[Alert] = []
        self._candle = candle
        self._about = Instrument(candle.exchange, candle.category, candle.symbol)
        self._what = f"{candle.symbol} {candle.interval}"
        self._time = candle.start + INTERVAL_MS[candle.interval]
        self._past = past

    def rsi_extreme(self, rule: RsiExtreme, rsi: float) -> None:
        """Tell that the RSI came to an extreme."""
        far = abs(rsi - 50.0)
        if far >= rule.threshold - 50.0:
            limit = rule.threshold if rsi > 50.0 else 100.0 - rule.threshold  # noqa: PLR2004
            word = "overbought" if rsi > 50.0 else "oversold"  # noqa: PLR2004 - the middle
            message = f"{self._what}: RSI(14) is {rsi:.1f}, {word} (limit {limit:g})"
            evidence = {"rsi_14": rsi, "close": self._candle.close}
            self._tell("rsi_extreme", rule, Finding(rsi, 50.0, limit, message, evidence), "rsis")
        elif far < rule.threshold - 50.0 - rule.margin:
            self._calm("rsi_extreme")

    def rsi_cross(self, rule: RsiCross, before: float, rsi: float) -> None:
        """Tell that the RSI came back from an extreme."""
        high, low = rule.threshold, 100.0 - rule.threshold
        self._calm("rsi_cross")
        if before >= high > rsi:
            limit, way = high, "fell below"
        elif before <= low < rsi:
            limit, way = low, "rose above"
        else:
            return
        message = f"{self._what}: RSI(14) {way} {limit:g}, from {before:.1f} to {rsi:.1f}"
        evidence = {"rsi_14": rsi, "rsi_14_before": before, "close": self._candle.close}
        self._tell("rsi_cross", rule, Finding(rsi, before, limit, message, evidence), "rsis")

    def bollinger_break(self, rule: BollingerBreak, middle: float, sigma: float) -> None:
        """Tell that the close broke out of the band."""
        close = self._candle.close
        score = (close - middle) / sigma
        if abs(score) >= rule.threshold:
            limit = middle + (rule.threshold if score > 0 else -rule.threshold) * sigma
            message = (
                f"{self._what}: closed at {close:.10g}, {abs(score):.1f} standard deviations "
                f"{'above' if score > 0 else 'below'} its mean of 20 candles, {middle:.10g} "
                f"(limit {limit:.10g})"
            )
            evidence = {"deviations": score, "deviations_limit": rule.threshold, "sigma": sigma}
            found = Finding(close, middle, limit, message, evidence)
            self._tell("bollinger_break", rule, found, "bands")
        elif abs(score) < rule.calm:
            self._calm("bollinger_break")

    def _tell(self, name: str, rule: CandleRule, found: Finding, samples: str) -> None:
        """Tell it if the rule watches this candle and its gate is open; then close the gate."""
        candle, gates = self._candle, self._past["gates"]
        per_minute = candle.turnover * 60_000 / INTERVAL_MS[candle.interval]
        watched = (
            candle.interval in rule.intervals
            and rule.covers(candle.symbol)
            and self._past[samples] >= rule.min_samples
            and per_minute >= rule.min_turnover
        )
        if watched and name not in gates:
            gates[name] = self._time + rule.cooldown_ms
            made = alert(name, rule, self._about, self._time, found, interval=candle.interval)
            self.told.append(made)

    def _calm(self, name: str) -> None:
        """Open the rule's gate if its cooldown is over."""
        if self._past["gates"].get(name, self._time) <= self._time:
            self._past["gates"].pop(name, None)
