"""What comes in: alerts, alarms and commands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.alerts import alert

from cryptostream.alerts.commands import (
    CommandError,
    interval_of,
    mute_of,
    parse_command,
    subscription_of,
    symbol_of,
)
from cryptostream.alerts.model import Mute, Subscription
from cryptostream.alerts.parse import event_of_alert, events_of_alarms
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import encode

NOW = 1_795_348_800_000


def alarm(**changes: Any) -> dict[str, Any]:
    """Make one alert of Alertmanager."""
    return {
        "status": "firing",
        "labels": {"alertname": "StreamLag", "severity": "page"},
        "annotations": {"summary": "The stream is behind", "runbook_url": "https://run.example"},
        "startsAt": "2026-11-22T11:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": "c0ffee",
    } | changes


def payload(*alarms: dict[str, Any], version: str = "4") -> bytes:
    """Make what Alertmanager posts."""
    return json.dumps({"version": version, "status": "firing", "alerts": alarms}).encode()


def test_an_alert_becomes_an_event() -> None:
    """Nothing of its evidence is lost, and its subject is the instrument."""
    sent = alert(1, NOW)
    got = event_of_alert(encode(sent))
    assert (got.event_id, got.value, got.baseline, got.threshold) == (
        sent.alert_id,
        210.0,
        12.0,
        100.0,
    )
    assert got.key == "price_jump/bybit:spot:S1USDT/firing"


@pytest.mark.parametrize("changes", [{"time": 0}, {"time": 2**62}, {"alert_id": ""}])
def test_an_alert_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    """A time that names no day, or no id, is poison."""
    with pytest.raises(ContractError):
        event_of_alert(encode(alert(1, NOW, **changes)))


@given(st.binary(max_size=300))
def test_any_bytes_are_an_event_or_refused(raw: bytes) -> None:
    """Nothing else comes out of either door."""
    for read in (event_of_alert, lambda body: events_of_alarms(body, NOW)):
        with pytest.raises(ContractError):
            read(raw)


def test_an_alarm_becomes_an_event() -> None:
    """Its summary, since when, its runbook; `page` is critical."""
    (got,) = events_of_alarms(payload(alarm()), NOW)
    assert (got.rule, got.severity, got.subject) == ("StreamLag", "critical", "c0ffee")
    assert got.message == "The stream is behind\nsince 2026-11-22 11:00 UTC"
    assert got.link == "https://run.example"
    assert got.value is None


def test_an_alarm_that_is_told_again_is_the_same_event() -> None:
    """Its id has the start and the state in it, not the time of the telling."""
    first, again, over, later = (
        events_of_alarms(payload(alarm(**changes)), at)[0].event_id
        for at, changes in (
            (NOW, {}),
            (NOW + 9_000_000, {}),
            (NOW, {"status": "resolved"}),
            (NOW, {"startsAt": "2026-11-22T13:00:00Z"}),
        )
    )
    assert first == again
    assert len({first, over, later}) == 3


def test_alarms_of_one_rule_do_not_share_a_cooldown() -> None:
    """Two partitions behind are two things to know; so are an alarm and its end."""
    one, two, over = events_of_alarms(
        payload(alarm(), alarm(fingerprint="beef"), alarm(status="resolved")), NOW
    )
    assert len({one.key, two.key, over.key}) == 3


def test_a_payload_of_another_version_is_refused() -> None:
    """Better an error in Alertmanager's log than a message that says nothing."""
    with pytest.raises(ContractError, match="version"):
        events_of_alarms(payload(alarm(), version="5"), NOW)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("/status", ("status", ())),
        ("/start", ("help", ())),
        ("/chart@Our_Bot BTCUSDT 1h", ("chart", ("BTCUSDT", "1h"))),
        ("/chart@other_bot BTCUSDT", None),
        ("status", None),
        ("", None),
    ],
)
def test_commands_are_read(text: str, read: tuple[str, tuple[str, ...]] | None) -> None:
    """In a group only those that are meant for this bot."""
    assert parse_command(text, "our_bot") == read


def test_a_mute_takes_its_parts_in_any_order() -> None:
    """Length, symbol and rule tell themselves apart."""
    assert mute_of(("price_jump", "BTCUSDT", "30m"), NOW) == Mute(
        NOW + 1_800_000, "price_jump", "BTCUSDT"
    )
    assert mute_of((), NOW) == Mute(NOW + 3_600_000)


def test_a_subscription_changes_what_is_named_alone() -> None:
    """The rest stays as it was; `all` takes a limit away."""
    before = Subscription(symbols=("BTCUSDT",), severity="critical", quiet="22:00-07:00")
    after = subscription_of(("symbols=all", "rules=price_jump,gap"), before)
    assert after == Subscription((), ("price_jump", "gap"), "critical", "22:00-07:00")


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: symbol_of(()),
        lambda: symbol_of(("<b>",)),
        lambda: interval_of(("BTCUSDT", "2h")),
        lambda: mute_of(("40d",), NOW),
        lambda: mute_of(("<b>",), NOW),
        lambda: subscription_of(("severity=loud",), Subscription()),
        lambda: subscription_of(("symbols",), Subscription()),
        lambda: subscription_of(("quiet=night",), Subscription()),
        lambda: subscription_of(
            (f"rules={','.join(f'r{n}' for n in range(101))}",), Subscription()
        ),
    ],
)
def test_what_cannot_be_meant_is_told_so(wrong: Any) -> None:
    """Each mistake has a sentence for whoever wrote it."""
    with pytest.raises(CommandError, match=r"\w"):
        wrong()
