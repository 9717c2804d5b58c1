"""The watch: every alert rule over every symbol. Pure; Kafka's time is the clock.

    watch.trade(record, p_up)          each fresh trade, per symbol in order
    watch.candle(candle, indicators)   each candle that became final
    alerts = watch.due(now_ms)         once a batch

Symbols do not see each other, so their order among themselves is of no account; only silence
looks at all of them, at most once a second, in `due`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.contracts.messages import Alert
from cryptostream.stream.candle_rules import CandleRules
from cryptostream.stream.desk import Desk
from cryptostream.stream.pulse import Pulse
from cryptostream.stream.words import Instrument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.contracts.messages import Candle
    from cryptostream.stream.records import Record
    from cryptostream.stream.rules import Rules

#: Of another layout than the one a state was written in; such a state is not used.
STATE_VERSION: Final = 1
LOOK_MS: Final = 1_000
#: A symbol that did not trade for so long begins anew.
FORGET_MS: Final = 24 * 3_600_000


class Watch:
    """All rules, all symbols.

    Args:
        rules: what to look for.
        state: from `state()`; one of another version or window length is passed over, and
            baselines begin anew.
    """

    def __init__(self, rules: Rules, state: dict[str, Any] | None = None) -> None:
        usable = state is not None and state.get("layout") == _layout(rules)
        known: dict[str, Any] = state if state is not None and usable else {}
        self._rules = rules
        self._desk = Desk(rules)
        self._desk.told += msgspec.convert(known.get("told", []), list[Alert])
        self._looked = known.get("looked", 0)
        self._candles = CandleRules(rules, known.get("candles"))
        self._pulses: dict[str, Pulse] = {
            key: Pulse(Instrument(*key.split(":")), self._desk, kept)
            for key, kept in known.get("pulses", {}).items()
        }

    def trade(self, record: Record, p_up: float | None) -> None:
        """Take a trade that was not seen before, with its prediction if it has one.

        Block trades are negotiated off the book: they are passed over.
        """
        trade = record.trade
        if trade.block_trade:
            return
        key = f"{trade.exchange}:{trade.category}:{trade.symbol}"
        pulse = self._pulses.get(key)
        if pulse is None:
            about = Instrument(trade.exchange, trade.category, trade.symbol)
            pulse = self._pulses[key] = Pulse.fresh(about, self._desk, record)
        pulse.take(record, p_up)

    def candle(self, candle: Candle, indicators: Mapping[str, float]) -> None:
        """Take a candle that became final, with the indicators that are warm enough to be there."""
        self._desk.told += self._candles.take(candle, indicators)

    def due(self, now_ms: int) -> list[Alert]:
        """Give the alerts since the last call, by time and id; `now_ms` is the newest Kafka time.

        A silence that began and ended between two calls is not told.
        """
        if now_ms - self._looked >= LOOK_MS:
            self._looked = now_ms
            self._look_for_silence(now_ms)
            self._forget(now_ms - FORGET_MS)
        told = sorted(self._desk.told, key=_order)
        self._desk.told.clear()
        return told

    def state(self) -> dict[str, Any]:
        """Give what restores the watch bit for bit, JSON-able: some 2 kB a symbol."""
        return {
            "layout": _layout(self._rules),
            "looked": self._looked,
            "told": msgspec.to_builtins(self._desk.told),
            "candles": self._candles.state(),
            "pulses": {key: pulse.state() for key, pulse in self._pulses.items()},
        }

    def _look_for_silence(self, now_ms: int) -> None:
        """Tell of symbols that fell silent; when too many did at once, the feed itself is away."""
        rule = self._rules.silence
        patience_ms = int(rule.threshold * 1_000)
        busy = [pulse for pulse in self._pulses.values() if pulse.is_busy()]
        silent = [pulse for pulse in busy if now_ms - pulse.heard >= patience_ms]
        if len(silent) > max(1.0, rule.outage_share * len(busy)):
            for pulse in silent:
                pulse.heard = now_ms
            return
        for pulse in silent:
            pulse.tell_silence()

    def _forget(self, before_ms: int) -> None:
        for key in [key for key, pulse in self._pulses.items() if pulse.heard < before_ms]:
            del self._pulses[key]
            self._candles.forget(key)


def _layout(rules: Rules) -> str:
    """Name what a state must agree on with the rules that go on from it."""
    return f"{STATE_VERSION}/{rules.window.seconds}"


def _order(told: Alert) -> tuple[int, str]:
    return told.time, told.alert_id
