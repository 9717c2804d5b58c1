"""Alerts of Kafka and alarms of Alertmanager as events. Pure.

Alertmanager's payload, version 4:
https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
"""

from __future__ import annotations

import hashlib
import math
from datetime import UTC, datetime
from typing import Final

import msgspec

from cryptostream.alerts.model import Event
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import Alert, Severity, decode

MAX_ALARMS: Final = 500
MAX_TEXT: Final = 2_000
MAX_NAME: Final = 200
#: The year 2100: a time beyond it is none.
MAX_TIME_MS: Final = 4_102_444_800_000
_SEVERITIES: Final[dict[str, Severity]] = {
    "critical": "critical",
    "page": "critical",
    "error": "critical",
    "warning": "warning",
}


class Alarm(msgspec.Struct, frozen=True, rename="camel"):
    """One alert of Alertmanager; fields that nobody here reads are let through."""

    status: str
    labels: dict[str, str]
    starts_at: str
    annotations: dict[str, str] = {}
    fingerprint: str = ""
    generator_url: str = msgspec.field(default="", name="generatorURL")


class Alarms(msgspec.Struct, frozen=True):
    """What Alertmanager posts."""

    version: str
    alerts: list[Alarm]


def event_of_alert(raw: bytes) -> Event:
    """Read a message of `crypto-alerts`; raises `ContractError`."""
    alert = decode(raw, Alert)
    numbers = (alert.value, alert.baseline, alert.threshold)
    if not all(math.isfinite(number) for number in numbers):
        raise ContractError("bad_alert", "value, baseline and threshold must be finite")
    if not alert.alert_id or not 0 < alert.time < MAX_TIME_MS:
        raise ContractError("bad_alert", "alert_id must not be empty and time must be a time")
    return Event(
        event_id=alert.alert_id,
        source="market",
        rule=alert.rule,
        severity=alert.severity,
        exchange=alert.exchange,
        category=alert.category,
        symbol=alert.symbol,
        subject=f"{alert.exchange}:{alert.category}:{alert.symbol}",
        time=alert.time,
        message=alert.message[:MAX_TEXT],
        value=alert.value,
        baseline=alert.baseline,
        threshold=alert.threshold,
        evidence=alert.evidence,
    )


def events_of_alarms(raw: bytes, now_ms: int) -> list[Event]:
    """Read what Alertmanager posts; raises `ContractError`.

    An alarm that is told again, as Alertmanager does every few hours, is the same event.
    """
    try:
        body = msgspec.json.decode(raw, type=Alarms)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise ContractError("bad_alarms", str(error)[:200]) from error
    if body.version != "4":
        raise ContractError("bad_alarms", f"version is {body.version[:20]!r}, must be '4'")
    if len(body.alerts) > MAX_ALARMS:
        raise ContractError("bad_alarms", f"{len(body.alerts)} alerts, at most {MAX_ALARMS}")
    return [_event_of_alarm(alarm, now_ms) for alarm in body.alerts]


def _event_of_alarm(alarm: Alarm, now_ms: int) -> Event:
    labels, notes = alarm.labels, alarm.annotations
    rule = labels.get("alertname", "alarm")[:MAX_NAME]
    resolved = alarm.status == "resolved"
    fingerprint = alarm.fingerprint[:MAX_NAME] or _fingerprint(labels)
    return Event(
        event_id=f"alarm:{fingerprint}:{alarm.starts_at[:40]}:{alarm.status[:20]}",
        source="pipeline",
        rule=rule,
        severity=_SEVERITIES.get(labels.get("severity", ""), "info"),
        exchange=labels.get("exchange", "")[:MAX_NAME],
        category=labels.get("category", "")[:MAX_NAME],
        symbol=labels.get("symbol", "")[:MAX_NAME],
        subject=fingerprint,
        # An alarm tells of a state that lasts: it is news when it comes, however old its start.
        time=now_ms,
        message=_words(notes, rule, _start(alarm.starts_at, now_ms))[:MAX_TEXT],
        link=notes.get("runbook_url", "")[:MAX_TEXT],
        resolved=resolved,
    )


def _fingerprint(labels: dict[str, str]) -> str:
    return hashlib.sha256(msgspec.json.encode(sorted(labels.items()))).hexdigest()[:16]


def _words(notes: dict[str, str], rule: str, since: str) -> str:
    parts = [notes.get("summary", ""), notes.get("description", "")]
    said = "\n".join(dict.fromkeys(part.strip() for part in parts if part.strip()))
    return f"{said or rule}{since}"


def _start(text: str, now_ms: int) -> str:
    """Say since when; nothing if the time can't be read or is of no use."""
    try:
        began = datetime.fromisoformat(text)
        seconds = now_ms / 1000 - began.replace(tzinfo=began.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return ""
    return f"\nsince {began:%Y-%m-%d %H:%M} UTC" if 0 <= seconds < 366 * 86_400 else ""
