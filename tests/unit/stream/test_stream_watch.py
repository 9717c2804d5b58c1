"""The watch over trades: silent on a stationary market, once and with evidence on a shock."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.tape import TAPE_MS, batches, merged, play, tape, trade

from cryptostream.stream.rules import SHIPPED, Rules, load_rules, parse_rules
from cryptostream.stream.watch import Watch

if TYPE_CHECKING:
    from cryptostream.contracts.messages import Alert
    from cryptostream.stream.records import Record

RULES = load_rules()
QUIET_SECONDS = 1_200.0
#: False alerts that a stationary market may give, of all trade rules, per trade.
FALSE_RATE = 1e-5


def eager() -> Rules:
    """Give rules so touchy that any market gives alerts, for tests of repeatability."""
    text = SHIPPED.read_text(encoding="utf-8")
    for dear, cheap in (
        ("threshold = 6.0", "threshold = 0.8"),
        ("threshold = 8.0", "threshold = 0.8"),
        ("threshold = 2.8", "threshold = 1.05"),
        ("threshold = 0.95", "threshold = 0.15"),
        ("min_samples = 1000", "min_samples = 50"),
        ("min_samples = 60", "min_samples = 5"),
        ("min_samples = 30", "min_samples = 5"),
        ("min_notional = 10000.0", "min_notional = 1.0"),
        ("min_spread = 0.3", "min_spread = 0.01"),
        ("cooldown_seconds = 300", "cooldown_seconds = 7"),
        ("cooldown_seconds = 60", "cooldown_seconds = 3"),
        ("length = 30", "length = 3"),
        ("min_trades = 50", "min_trades = 10"),
    ):
        text = text.replace(dear, cheap)
    return parse_rules(text)


EAGER = eager()
MARKET = merged(
    tape("AUSDT", rate=8, seconds=150),
    tape("BUSDT", rate=2, seconds=150),
    tape("CUSDT", rate=0.5, seconds=150),
)


def scores(record: Record) -> float:
    """Give a prediction that depends on the trade alone."""
    return (record.kafka_time * 7919 + hash(record.size)) % 1000 / 1000


def play_scored(watch: Watch, records: list[Record], batch_ms: int) -> list[Alert]:
    """Let a watch see records with predictions."""
    told: list[Alert] = []
    for batch in batches(records, batch_ms):
        for record in batch:
            watch.trade(record, scores(record))
        told += watch.due(batch[-1].kafka_time)
    return told


def one(told: list[Alert], rule: str) -> Alert:
    """Give a rule's only alert."""
    (found,) = [alert for alert in told if alert.rule == rule]
    return found


@pytest.mark.parametrize("seed", [1, 2])
def test_a_stationary_market_gives_next_to_no_alerts(seed: int) -> None:
    """Random walks, heavy-tailed sizes and persistent sides: at most 1 alert in 100,000 trades."""
    rates = (20, 10, 5, 2, 1, 0.5, 0.2)
    market = merged(
        *(tape(f"S{n}USDT", rate=r, seconds=2_400, seed=seed) for n, r in enumerate(rates))
    )
    told = play(Watch(RULES), market)
    assert len(told) <= FALSE_RATE * len(market) + 1, [alert.message for alert in told]


def test_a_volume_shock_fires_once_with_its_evidence() -> None:
    """Thirty times the usual turnover for 20 s is one alert: at once, with what was usual."""
    quiet = tape("AUSDT", rate=5, seconds=QUIET_SECONDS)
    burst = [trade("AUSDT", QUIET_SECONDS + n * 0.01, 100.0, 30.0) for n in range(2_000)]
    after = tape("AUSDT", rate=5, seconds=120, start=QUIET_SECONDS + 20)
    told = play(Watch(RULES), [*quiet, *burst, *after])
    alert = one(told, "volume_shock")
    assert TAPE_MS + QUIET_SECONDS * 1_000 < alert.time < TAPE_MS + (QUIET_SECONDS + 10) * 1_000
    assert alert.value >= alert.threshold > 5 * alert.baseline
    usual = 5 * 10 * 1_000 * 2.66  # trades in a window, each with a mean of 1,000 e^(1.4^2/2)
    assert alert.baseline == pytest.approx(usual, rel=0.25)
    assert alert.evidence["z"] >= alert.evidence["z_limit"] == RULES.volume_shock.threshold
    assert alert.evidence["samples"] == RULES.window.baseline
    assert alert.severity == "warning"
    assert "times the usual" in alert.message


@pytest.mark.parametrize("direction", [1, -1])
def test_a_price_shock_fires_once_with_its_evidence(direction: int) -> None:
    """A jump of 2 % is one alert, at the very trade that made it."""
    quiet = tape("AUSDT", rate=5, seconds=QUIET_SECONDS)
    price = quiet[-1].price * (1 + direction * 0.02)
    after = [trade("AUSDT", QUIET_SECONDS + n * 0.2, price, 1.0) for n in range(300)]
    told = play(Watch(RULES), [*quiet, *after])
    alert = one(told, "price_shock")
    assert alert.time == after[0].trade.trade_time
    assert alert.value == pytest.approx(direction * 200, rel=0.3)
    assert alert.value * direction > alert.threshold * direction > 0
    assert alert.evidence["price"] == pytest.approx(price)
    assert ("up" if direction > 0 else "down") in alert.message


def test_a_whale_fires_once_with_its_evidence() -> None:
    """One trade of 10,000 times the usual size is one alert about that trade."""
    quiet = tape("AUSDT", rate=5, seconds=QUIET_SECONDS)
    big = trade("AUSDT", QUIET_SECONDS, quiet[-1].price, 100_000.0, "sell")
    alert = one(play(Watch(RULES), [*quiet, big]), "whale")
    assert alert.time == big.trade.trade_time
    assert alert.value == big.price * big.size
    assert alert.threshold < alert.value
    assert alert.evidence["median"] == pytest.approx(1_000, rel=0.5)
    assert alert.baseline == pytest.approx(1_000 * 26, rel=0.7)  # e^(1.4 * 2.326)
    assert alert.evidence["side"] == -1.0
    assert "one sell" in alert.message


def test_one_sided_flow_needs_turnover_and_count() -> None:
    """Buyers alone for minutes are one alert; one huge buy among mixed crumbs is none."""
    quiet = tape("AUSDT", rate=5, seconds=QUIET_SECONDS)
    price = quiet[-1].price
    buys = [trade("AUSDT", QUIET_SECONDS + n * 0.2, price, 10.0) for n in range(1_200)]
    alert = one(play(Watch(RULES), [*quiet, *buys]), "one_sided_flow")
    assert alert.value >= alert.threshold == RULES.one_sided_flow.threshold
    huge = [trade("AUSDT", QUIET_SECONDS, price, 1e6)]
    mixed = tape("AUSDT", rate=5, seconds=60, start=QUIET_SECONDS + 0.1)
    told = play(Watch(RULES), [*quiet, *huge, *mixed])
    assert not [alert for alert in told if alert.rule == "one_sided_flow"]


def test_silence_of_a_busy_symbol_is_told_once() -> None:
    """A busy symbol that stops among others that go on is one alert, a minute after its end."""
    others = [tape(f"O{n}USDT", rate=2, seconds=QUIET_SECONDS + 300) for n in range(3)]
    stopped = tape("AUSDT", rate=2, seconds=QUIET_SECONDS)
    alert = one(play(Watch(RULES), merged(stopped, *others)), "silence")
    assert alert.symbol == "AUSDT"
    assert alert.time == stopped[-1].trade.trade_time + 60_000
    assert alert.evidence["busy_share"] >= RULES.silence.busy_share


def test_a_rare_symbol_may_be_silent() -> None:
    """A symbol that trades every half minute owes nobody a trade."""
    busy = tape("AUSDT", rate=2, seconds=QUIET_SECONDS + 300)
    rare = tape("BUSDT", rate=0.03, seconds=QUIET_SECONDS)
    assert play(Watch(RULES), merged(busy, rare)) == []


def test_an_outage_of_the_feed_is_no_silence_of_symbols() -> None:
    """When the whole market was away, no symbol is blamed, also if they come back one by one."""
    names = [f"O{n}USDT" for n in range(6)]
    before = [tape(name, rate=2, seconds=QUIET_SECONDS) for name in names]
    after = [
        tape(name, rate=2, seconds=120, start=QUIET_SECONDS + 600 + number)
        for number, name in enumerate(names)
    ]
    told = play(Watch(RULES), merged(*before, *after), batch_ms=200)
    assert not [alert for alert in told if alert.rule == "silence"]


def test_a_streak_of_predictions_fires_once() -> None:
    """Thirty confident predictions in a row are one alert; one doubt begins it anew."""
    watch = Watch(RULES)
    play(watch, tape("AUSDT", rate=5, seconds=QUIET_SECONDS))
    said = [0.9] * 29 + [0.5] + [0.2] * 29 + [0.8] * 60
    for number, p_up in enumerate(said):
        watch.trade(trade("AUSDT", QUIET_SECONDS + number, 100.0, 10.0), p_up)
    alert = one(watch.due(TAPE_MS), "prediction_streak")
    assert alert.time == TAPE_MS + (QUIET_SECONDS + 29 + 1 + 29 + 29) * 1_000
    assert (alert.value, alert.threshold) == (pytest.approx(0.8), 0.65)
    assert "say up" in alert.message


def test_no_alert_comes_before_the_baseline_is_known() -> None:
    """A shock in a symbol's first minutes proves nothing."""
    quiet = tape("AUSDT", rate=5, seconds=150)
    shock = trade("AUSDT", 150, 300.0, 1e6)
    assert play(Watch(RULES), [*quiet, shock]) == []


def test_small_markets_are_left_alone() -> None:
    """Below the rule's turnover a minute nothing is told."""
    text = SHIPPED.read_text(encoding="utf-8").replace(
        "min_turnover = 1000.0", "min_turnover = 1e9"
    )
    quiet = tape("AUSDT", rate=5, seconds=QUIET_SECONDS)
    jump = trade("AUSDT", QUIET_SECONDS, quiet[-1].price * 1.05, 1.0)
    assert play(Watch(parse_rules(text)), [*quiet, jump]) == []
    assert play(Watch(RULES), [*quiet, jump]) != []


def test_a_clock_that_is_ahead_ends_no_window() -> None:
    """A trade from the year 2099 leaves the rules working."""
    quiet = tape("AUSDT", rate=5, seconds=QUIET_SECONDS)
    mad = trade("AUSDT", QUIET_SECONDS, quiet[-1].price, 1.0)
    mad = mad._replace(trade=trade("AUSDT", 2.3e9, 1.0, 1.0).trade)
    jump = trade("AUSDT", QUIET_SECONDS + 0.5, quiet[-1].price * 1.02, 1.0)
    assert one(play(Watch(RULES), [*quiet, mad, jump]), "price_shock").time == jump.trade.trade_time


def test_old_trades_say_nothing_about_now() -> None:
    """Trades fetched for an old gap are no shock of today."""
    quiet = tape("AUSDT", rate=5, seconds=QUIET_SECONDS)
    late = [trade("AUSDT", 300, 50.0, 1e5)._replace(kafka_time=quiet[-1].kafka_time)] * 60
    assert play(Watch(RULES), [*quiet, *late]) == []


def test_touchy_rules_give_every_kind_of_alert() -> None:
    """The tests of repeatability below are about something."""
    told = play_scored(Watch(EAGER), MARKET, 1_000)
    assert {alert.rule for alert in told} >= {
        "volume_shock", "price_shock", "whale", "one_sided_flow", "prediction_streak",
    }  # fmt: skip
    assert len({alert.alert_id for alert in told}) == len(told)


@settings(max_examples=15, deadline=None)
@given(st.integers(10, 20_000), st.integers(10, 20_000))
def test_cuts_between_batches_change_no_alert(first: int, second: int) -> None:
    """A replay in other batches gives the same alerts with the same ids."""
    told = play_scored(Watch(EAGER), MARKET, first)
    again = play_scored(Watch(EAGER), MARKET, second)
    assert sorted(told, key=lambda one: one.alert_id) == sorted(again, key=lambda one: one.alert_id)


@settings(max_examples=15, deadline=None)
@given(st.permutations(["AUSDT", "BUSDT", "CUSDT"]))
def test_the_order_of_symbols_does_not_matter(order: list[str]) -> None:
    """A batch may hold its symbols in any order."""
    rank = {symbol: number for number, symbol in enumerate(order)}
    watch, other = Watch(EAGER), Watch(EAGER)
    for batch in batches(MARKET, 5_000):
        for record in batch:
            watch.trade(record, scores(record))
        for record in sorted(batch, key=lambda one: rank[one.trade.symbol]):
            other.trade(record, scores(record))
        assert watch.due(batch[-1].kafka_time) == other.due(batch[-1].kafka_time)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, len(MARKET)))
def test_a_restored_watch_goes_on_as_if_nothing_had_happened(cut: int) -> None:
    """A state through JSON in the middle changes no alert, and is the same again."""
    straight, before = Watch(EAGER), Watch(EAGER)
    for record in MARKET[:cut]:
        straight.trade(record, scores(record))
        before.trade(record, scores(record))
    state = before.state()
    restored = Watch(EAGER, json.loads(json.dumps(state)))
    assert restored.state() == state
    for watch in (straight, restored):
        for record in MARKET[cut:]:
            watch.trade(record, scores(record))
    assert straight.due(MARKET[-1].kafka_time) == restored.due(MARKET[-1].kafka_time)
    assert straight.state() == restored.state()


def test_a_state_is_not_shared_with_the_watch_it_came_from() -> None:
    """A snapshot stays what it was while the watch goes on."""
    watch = Watch(EAGER)
    play_scored(watch, MARKET[:400], 1_000)
    state = watch.state()
    kept = json.dumps(state)
    play_scored(watch, MARKET[400:], 1_000)
    assert json.dumps(state) == kept


def test_a_state_of_another_window_begins_anew() -> None:
    """Baselines of 10 s windows say nothing about windows of 20 s."""
    watch = Watch(RULES)
    play(watch, MARKET[:100])
    text = SHIPPED.read_text(encoding="utf-8").replace("seconds = 10\n", "seconds = 20\n", 1)
    assert Watch(parse_rules(text), watch.state()).state()["pulses"] == {}


def test_symbols_that_left_the_market_are_forgotten() -> None:
    """A day without a trade frees a symbol's memory."""
    watch = Watch(RULES)
    play(watch, tape("AUSDT", rate=1, seconds=60))
    watch.due(TAPE_MS + 25 * 3_600_000)
    assert watch.state()["pulses"] == {}
