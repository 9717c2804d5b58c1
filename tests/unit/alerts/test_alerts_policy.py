"""What is told, when, and what is not."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import event

from cryptostream.alerts.model import Mute, Subscription
from cryptostream.alerts.policy import (
    History,
    Last,
    Rules,
    decide,
    parse_quiet,
    quiet_until,
    wants,
)

NOW = 1_795_348_800_000
RULES = Rules()
ALL = Subscription(severity="info")


def ms(text: str, zone: str = "UTC") -> int:
    """Give a local time in epoch milliseconds."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def test_an_alert_that_stands_alone_goes_out_now() -> None:
    """Nothing holds back what is new and single."""
    verdict = decide(event(time=NOW - 500), ALL, (), History(), rules=RULES, now_ms=NOW)
    assert (verdict.kind, verdict.due_ms, verdict.reason) == ("alert", NOW, None)


@pytest.mark.parametrize(
    ("subscription", "wanted"),
    [
        (Subscription(severity="info"), True),
        (Subscription(severity="critical"), False),
        (Subscription(symbols=("BTCUSDT",)), True),
        (Subscription(symbols=("ETHUSDT",)), False),
        (Subscription(rules=("price_jump",)), True),
        (Subscription(rules=("volume_spike",)), False),
    ],
)
def test_a_chat_hears_what_it_subscribed_to(subscription: Subscription, *, wanted: bool) -> None:
    """Symbols, rules and the least severity all have to fit."""
    assert wants(subscription, event(severity="warning")) is wanted


def test_an_alarm_of_the_pipeline_has_no_symbol_to_fit() -> None:
    """Who hears of one symbol only still hears that the pipeline is broken."""
    assert wants(Subscription(symbols=("ETHUSDT",)), event(symbol="", source="pipeline"))


def test_the_same_rule_and_symbol_rest_for_the_cooldown() -> None:
    """Within it the same is dropped, after it told again."""
    for age, reason in ((RULES.cooldown_ms - 1, "cooldown"), (RULES.cooldown_ms, None)):
        history = History(Last(NOW - age, "warning"))
        told = event(time=NOW, severity="warning")
        assert decide(told, ALL, (), history, rules=RULES, now_ms=NOW).reason == reason


def test_a_graver_event_breaks_the_cooldown() -> None:
    """What gets worse is news."""
    history = History(Last(NOW - 1, "warning"))
    told = event(time=NOW, severity="critical")
    assert decide(told, ALL, (), history, rules=RULES, now_ms=NOW).reason is None


def test_the_same_moment_under_another_id_is_a_duplicate() -> None:
    """A rule that tells one moment twice is heard once."""
    history = History(Last(NOW, "warning"))
    told = event(time=NOW, severity="warning")
    assert decide(told, ALL, (), history, rules=RULES, now_ms=NOW).reason == "duplicate"


def test_old_news_is_dropped() -> None:
    """After a long outage nobody wants the whole day."""
    told = event(time=NOW - RULES.max_age_ms - 1)
    assert decide(told, ALL, (), History(), rules=RULES, now_ms=NOW).reason == "expired"


@pytest.mark.parametrize(
    ("mute", "reason"),
    [
        (Mute(NOW + 1), "muted"),
        (Mute(NOW), None),
        (Mute(NOW + 1, rule="price_jump", symbol="BTCUSDT"), "muted"),
        (Mute(NOW + 1, rule="price_jump", symbol="ETHUSDT"), None),
        (Mute(NOW + 1, rule="volume_spike"), None),
    ],
)
def test_a_mute_is_silent_about_what_it_names(mute: Mute, reason: str | None) -> None:
    """An empty name stands for any, and a mute ends by itself."""
    verdict = decide(event(time=NOW), ALL, [mute], History(), rules=RULES, now_ms=NOW)
    assert verdict.reason == reason


def test_a_burst_goes_into_one_digest() -> None:
    """Beyond so many messages in the window the rest waits, and joins what waits already."""
    told = event(time=NOW)
    burst = decide(told, ALL, (), History(recent=5), rules=RULES, now_ms=NOW)
    assert (burst.kind, burst.due_ms) == ("digest", NOW + RULES.digest_window_ms)
    joined = decide(told, ALL, (), History(digest_due_ms=NOW + 7), rules=RULES, now_ms=NOW)
    assert (joined.kind, joined.due_ms) == ("digest", NOW + 7)


def test_a_critical_event_waits_for_nothing() -> None:
    """Neither a burst nor the night holds it back."""
    night = Subscription(quiet="00:00-23:59")
    told = event(time=NOW, severity="critical")
    history = History(recent=99, digest_due_ms=NOW + 9)
    assert decide(told, night, (), history, rules=RULES, now_ms=NOW).kind == "alert"


def test_the_night_holds_back_until_its_end() -> None:
    """Quiet hours over midnight end on the right day, in the chat's zone."""
    berlin = ZoneInfo("Europe/Berlin")
    for at in ("2026-11-22T22:00", "2026-11-23T06:59"):
        end = quiet_until("22:00-07:00", ms(at, "Europe/Berlin"), berlin)
        assert end == ms("2026-11-23T07:00", "Europe/Berlin")
    assert quiet_until("22:00-07:00", ms("2026-11-23T07:00", "Europe/Berlin"), berlin) is None
    assert quiet_until("12:00-13:00", ms("2026-11-23T12:30"), UTC) == ms("2026-11-23T13:00")
    assert quiet_until("", NOW, UTC) is None


@given(
    now=st.integers(1_700_000_000_000, 1_900_000_000_000),
    minutes=st.tuples(*[st.integers(0, 1439)] * 2),
)
def test_quiet_hours_always_end_within_a_day(now: int, minutes: tuple[int, int]) -> None:
    """Whatever the hours and the change of the clocks, the end is ahead and near."""
    begin, end = (f"{at // 60:02}:{at % 60:02}" for at in minutes)
    until = quiet_until(f"{begin}-{end}", now, ZoneInfo("America/New_York"))
    assert until is None or now < until <= now + 25 * 3_600_000


@pytest.mark.parametrize("text", ["22-7", "24:00-07:00", "22:00-07:60", "night", "22:00-07:00x"])
def test_quiet_hours_that_are_none_are_refused(text: str) -> None:
    """A wrong text never means silence."""
    with pytest.raises(ValueError, match="quiet hours are like"):
        parse_quiet(text)
