"""One symbol's trades against its own past: the trade rules, judged at every trade. Pure.

Time is cut into slots, a tenth of the window each. All that is dear (medians, exponentials) is
done when a trade begins a new slot or window, and leaves limits behind; a trade inside a slot
costs additions and comparisons with those limits. A rule that is off, not warm yet or cooling
down has a limit that nothing reaches.
"""

from __future__ import annotations

from math import exp, inf, log
from typing import TYPE_CHECKING, Any, Final

from cryptostream.stream import findings
from cryptostream.stream.baselines import GROWN, LARGE, USUAL, Baseline, spread
from cryptostream.stream.desk import SLOTS
from cryptostream.stream.words import alert

if TYPE_CHECKING:
    from cryptostream.stream.desk import Desk
    from cryptostream.stream.records import Record
    from cryptostream.stream.rules import Rule
    from cryptostream.stream.words import Finding, Instrument

#: Units of the baselines' samples: natural logarithms of turnover, log returns.
_VOLUME_UNIT: Final = 1e-3
_MOVE_UNIT: Final = 1e-6
#: A window counts for 1/30 of the symbol's activity.
_ACTIVITY_STEP: Final = 1 / 30
_LARGE_UP, _LARGE_DOWN = LARGE.up, LARGE.down
_USUAL_UP, _USUAL_DOWN = USUAL.up, USUAL.down
#: What a pulse is restored from, beside its baselines.
_KEPT: Final = (
    "slot", "time", "heard", "price", "opened", "turnover", "past", "closes", "seen", "usual",
    "large", "net", "total", "lean", "count", "activity", "gates", "streak", "streak_sum",
    "streak_price",
)  # fmt: skip


class Pulse:
    """A symbol's window, flow, sizes and streak, with the baselines that judge them."""

    __slots__ = (
        "_covered", "about", "activity", "closes", "count", "desk", "fall", "flow_need", "gates",
        "heard", "high", "jitter", "large", "lean", "low", "moves", "net", "opened", "past",
        "price", "rise", "seen", "slot", "slot_ms", "streak", "streak_need", "streak_price",
        "streak_sum", "swing", "time", "total", "turnover", "usual", "volume", "volume_level",
        "volume_limit", "whale_floor", "whale_limit",
    )  # fmt: skip

    slot: int
    time: int
    heard: int
    price: float
    opened: float
    turnover: float
    past: list[float]
    closes: list[float]
    seen: int
    usual: float
    large: float
    net: float
    total: float
    lean: float
    count: float
    activity: float
    gates: dict[str, int]
    streak: int
    streak_sum: float
    streak_price: float

    def __init__(self, about: Instrument, desk: Desk, state: list[Any]) -> None:
        self.about, self.desk = about, desk
        self.slot_ms = desk.slot_ms
        self._covered = desk.covered(about.symbol)
        *kept, limit, volume, moves = state
        for name, value in zip(_KEPT, kept, strict=True):
            setattr(self, name, _copy(value))
        self.volume = Baseline(desk.rules.window.baseline, volume)
        self.moves = Baseline(desk.rules.window.baseline, moves)
        self._judge()
        self._arm()
        self.whale_limit = inf if limit is None else limit

    @classmethod
    def fresh(cls, about: Instrument, desk: Desk, first: Record) -> Pulse:
        """Begin with a symbol's first trade, which is then to be taken."""
        price, time = first.price, min(first.trade.trade_time, first.kafka_time)
        kept: dict[str, Any] = dict.fromkeys(_KEPT, 0.0)
        kept |= {"slot": time // desk.slot_ms, "time": time, "heard": first.kafka_time}
        kept |= dict.fromkeys(("price", "opened", "streak_price"), price)
        kept |= dict.fromkeys(("usual", "large"), price * first.size)
        kept |= {"past": [0.0] * (SLOTS - 1), "closes": [price] * SLOTS}
        kept |= {"seen": 0, "streak": 0, "gates": {}}
        return cls(about, desk, [*kept.values(), None, [], []])

    def take(self, record: Record, p_up: float | None) -> None:  # noqa: C901, PLR0912 - see below
        """Take one trade; what it proves is told to the desk.

        The hot path of every trade, so it is flat: here a call costs more than what it does.
        """
        trade, price, kafka_time = record.trade, record.price, record.kafka_time
        time = trade.trade_time
        if time > kafka_time:  # noqa: PLR1730 - a clock that is ahead must not end the window
            time = kafka_time
        slot = time // self.slot_ms
        if slot != self.slot and not self._reach(slot):
            return
        if time > self.time:  # noqa: PLR1730
            self.time = time
        if kafka_time > self.heard:  # noqa: PLR1730
            self.heard = kafka_time
        self.price = price
        notional = price * record.size
        self.turnover += notional
        self.total += notional
        self.count += 1.0
        if trade.side == "buy":
            self.net += notional
            self.lean += 1.0
        else:
            self.net -= notional
            self.lean -= 1.0
        if self.turnover > self.volume_limit:
            self._tell("volume_shock", findings.volume_shock(self))
        if price > self.high or price < self.low:
            self._tell("price_shock", findings.price_shock(self))
        if notional > self.whale_limit:
            self._tell("whale", findings.whale(self, trade.side, notional))
        self.seen += 1
        if self.seen > GROWN:
            self.large *= _LARGE_UP if notional > self.large else _LARGE_DOWN
            self.usual *= _USUAL_UP if notional > self.usual else _USUAL_DOWN
        else:
            self.large = LARGE.young(self.large, notional, self.seen)
            self.usual = USUAL.young(self.usual, notional, self.seen)
        if self.count >= self.flow_need and abs(self.net) >= self.desk.flow_share * self.total:
            self._one_sided()
        if p_up is not None:
            level = self.desk.streak_level
            if self.streak or p_up >= level or p_up <= 1.0 - level:
                self._predicted(p_up, level)

    def is_busy(self) -> bool:
        """Tell whether the rule of silence watches the symbol: it trades in nearly every window."""
        rule = self.desk.rules.silence
        return self.activity >= rule.busy_share and self._on("silence", rule)

    def tell_silence(self) -> None:
        """Report the symbol silent, once: the event's time is when its patience ended."""
        rule = self.desk.rules.silence
        if "silence" not in self.gates:
            patience_ms = int(rule.threshold * 1_000)
            self._tell("silence", findings.silence(self), self.time + patience_ms)

    def state(self) -> list[Any]:
        """Give what a restored pulse needs to go on as if nothing had happened, JSON-able."""
        limit = None if self.whale_limit == inf else self.whale_limit
        kept = [_copy(getattr(self, name)) for name in _KEPT]
        return [*kept, limit, self.volume.samples(), self.moves.samples()]

    def _reach(self, slot: int) -> bool:
        """Come to a trade's slot; False if its trade is too late to say anything about now."""
        steps = slot - self.slot
        if steps <= 0:
            return steps > -SLOTS
        blocks = slot // SLOTS - self.slot // SLOTS
        if blocks:
            self._close_block(blocks)
        if steps < SLOTS:
            idle = steps - 1
            self.past = [*self.past, self.turnover, *[0.0] * idle][steps:]
            self.closes = [*self.closes, *[self.price] * steps][steps:]
        else:
            self.past, self.closes = [0.0] * (SLOTS - 1), [self.price] * SLOTS
        self.turnover, self.slot = 0.0, slot
        keep = self.desk.flow_keep**steps
        self.net *= keep
        self.total *= keep
        self.lean *= keep
        self.count *= keep
        if self.gates:
            self._reopen()
        self._arm()
        return True

    def _close_block(self, blocks: int) -> None:
        """Take the window that ends before the coming trade into the baselines.

        Only windows with trades are samples: of a rare symbol a burst is judged by its bursts.
        """
        turnover = self.turnover + sum(self.past[SLOTS - 1 - self.slot % SLOTS :])
        self.volume.add(round(log(turnover) / _VOLUME_UNIT))
        self.moves.add(round(log(self.price / self.opened) / _MOVE_UNIT))
        self.opened = self.price
        traded = self.activity * (1.0 - _ACTIVITY_STEP) + _ACTIVITY_STEP
        self.activity = traded * (1.0 - _ACTIVITY_STEP) ** (blocks - 1)
        self._judge()

    def _judge(self) -> None:
        """Set from the baselines what the limits are made of."""
        rules = self.desk.rules
        shock, jump = rules.volume_shock, rules.price_shock
        self.swing = swing = spread(self.volume, _VOLUME_UNIT, shock.min_spread)
        self.jitter = jitter = spread(self.moves, _MOVE_UNIT, jump.min_spread_bps / 1e4)
        level = exp(swing.centre + shock.threshold * swing.sigma)
        self.volume_level = level if self._on("volume_shock", shock) else inf
        on = self._on("price_shock", jump)
        self.rise = exp(jitter.centre + jump.threshold * jitter.sigma) if on else inf
        self.fall = exp(jitter.centre - jump.threshold * jitter.sigma) if on else 0.0
        whale, flow, streak = rules.whale, rules.one_sided_flow, rules.prediction_streak
        self.whale_floor = (
            whale.min_notional if self._on("whale", whale, whale.min_samples) else inf
        )
        self.flow_need = flow.min_trades if self._on("one_sided_flow", flow) else inf
        self.streak_need = streak.length if self._on("prediction_streak", streak) else inf

    def _on(self, name: str, rule: Rule, samples: int | None = None) -> bool:
        """Tell whether a rule watches this symbol now."""
        known = self.swing.samples if samples is None else samples
        per_minute = exp(self.swing.centre) * 60.0 / self.desk.rules.window.seconds
        return (
            name in self._covered and known >= rule.min_samples and per_minute >= rule.min_turnover
        )

    def _arm(self) -> None:
        """Set the limits of this slot."""
        gates, before = self.gates, self.closes[0]
        spent = sum(self.past)
        self.volume_limit = inf if "volume_shock" in gates else self.volume_level - spent
        self.high, self.low = before * self.rise, before * self.fall
        if "price_shock" in gates:
            self.high, self.low = inf, 0.0
        self.whale_limit = inf
        rule = self.desk.rules.whale
        if self.seen >= rule.min_samples and self.whale_floor < inf and "whale" not in gates:
            limit = self.usual * max(1.0, self.large / self.usual) ** rule.threshold
            self.whale_limit = max(self.whale_floor, limit)

    def _reopen(self) -> None:
        """Let rules fire again whose cooldown is over and whose symbol has calmed down."""
        now = self.slot * self.slot_ms
        over = [name for name, until in self.gates.items() if now >= until and self._is_calm(name)]
        for name in over:
            del self.gates[name]

    def _is_calm(self, name: str) -> bool:
        rules = self.desk.rules
        match name:
            case "volume_shock":
                z = rules.volume_shock.threshold / 2
                return sum(self.past) < exp(self.swing.centre + z * self.swing.sigma)
            case "price_shock":
                z = rules.price_shock.threshold / 2
                move = log(self.price / self.closes[0]) - self.jitter.centre
                return abs(move) < z * self.jitter.sigma
            case "one_sided_flow":
                return abs(self.net) < rules.one_sided_flow.threshold / 2 * self.total
            case "prediction_streak":
                return abs(self.streak) < rules.prediction_streak.length
            case _:
                return True

    def _one_sided(self) -> None:
        """Report a flow that is one-sided by count, too: neither one order nor many crumbs."""
        enough = abs(self.lean) >= self.desk.flow_share * self.count and self.lean * self.net > 0
        if enough and "one_sided_flow" not in self.gates:
            self._tell("one_sided_flow", findings.one_sided_flow(self))

    def _predicted(self, p_up: float, level: float) -> None:
        """Let a prediction lengthen, turn or break the streak."""
        side = 1 if p_up >= level else -1 if p_up <= 1.0 - level else 0
        if side * self.streak <= 0:
            self.streak, self.streak_sum, self.streak_price = 0, 0.0, self.price
        self.streak += side
        self.streak_sum += p_up
        if abs(self.streak) >= self.streak_need and "prediction_streak" not in self.gates:
            self._tell("prediction_streak", findings.prediction_streak(self))

    def _tell(self, name: str, found: Finding, time_ms: int | None = None) -> None:
        """Put an alert on the desk and close the rule's gate."""
        rule: Rule = getattr(self.desk.rules, name)
        when = self.time if time_ms is None else time_ms
        self.desk.told.append(alert(name, rule, self.about, when, found))
        self.gates[name] = when + rule.cooldown_ms
        self._arm()


def _copy(value: Any) -> Any:
    return value.copy() if isinstance(value, list | dict) else value
