"""Whether, when and how an event goes to a chat. Pure: the clock and the past are arguments.

In this order: what is too old, muted, told already or within its cooldown is dropped; what
comes in quiet hours waits for their end; what comes in a burst waits for a digest; the rest goes
out now. A critical event waits for nothing, and a graver one breaks a cooldown.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from cryptostream.alerts.model import RANKS, Event, Kind, Mute, Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import tzinfo

Reason = Literal["expired", "muted", "duplicate", "cooldown"]
_CLOCK: Final = r"([01]\d|2[0-3]):([0-5]\d)"
_HOURS: Final = re.compile(f"{_CLOCK}-{_CLOCK}")


@dataclass(frozen=True, slots=True)
class Rules:
    """The bounds that hold for every chat.

    Attributes:
        cooldown_ms: after a telling, the same rule and subject rests so long, by event time.
        digest_after: so many messages go out one by one within `digest_window_ms`.
        digest_window_ms: and the following are collected for as long.
        max_age_ms: what is older when it comes is no news.
        zone: of the quiet hours.
    """

    cooldown_ms: int = 300_000
    digest_after: int = 5
    digest_window_ms: int = 60_000
    max_age_ms: int = 21_600_000
    zone: tzinfo = UTC


class Last(NamedTuple):
    """The newest telling of the same key in the chat."""

    time_ms: int
    severity: str


class History(NamedTuple):
    """What the chat has heard.

    Attributes:
        last: the newest telling of the event's key; None if there was none.
        recent: messages that were made for the chat within the digest window.
        digest_due_ms: when the chat's open digest goes out; None if none is open.
    """

    last: Last | None = None
    recent: int = 0
    digest_due_ms: int | None = None


class Verdict(NamedTuple):
    """What happens with an event for one chat: dropped if there is a reason, else due."""

    kind: Kind
    due_ms: int
    reason: Reason | None = None


def wants(subscription: Subscription, event: Event) -> bool:
    """Tell whether the chat asked for such events; the pipeline's alarms have no symbol."""
    return (
        RANKS[event.severity] >= RANKS[subscription.severity]
        and (not subscription.rules or event.rule in subscription.rules)
        and (not subscription.symbols or not event.symbol or event.symbol in subscription.symbols)
    )


def decide(
    event: Event,
    subscription: Subscription,
    mutes: Iterable[Mute],
    history: History,
    *,
    rules: Rules,
    now_ms: int,
) -> Verdict:
    """Decide on an event that the chat wants."""
    reason = _why_not(event, mutes, history.last, rules, now_ms)
    if reason is not None:
        return Verdict("alert", now_ms, reason)
    if event.severity == "critical":
        return Verdict("alert", now_ms)
    end = quiet_until(subscription.quiet, now_ms, rules.zone)
    if end is not None:
        return Verdict("quiet", end)
    if history.digest_due_ms is not None:
        return Verdict("digest", history.digest_due_ms)
    if history.recent >= rules.digest_after:
        return Verdict("digest", now_ms + rules.digest_window_ms)
    return Verdict("alert", now_ms)


def _why_not(
    event: Event, mutes: Iterable[Mute], last: Last | None, rules: Rules, now_ms: int
) -> Reason | None:
    if now_ms - event.time > rules.max_age_ms:
        return "expired"
    if any(_is_muted(event, mute, now_ms) for mute in mutes):
        return "muted"
    if last is None:
        return None
    if last.time_ms == event.time and last.severity == event.severity:
        return "duplicate"
    rests = abs(event.time - last.time_ms) < rules.cooldown_ms
    return "cooldown" if rests and RANKS[event.severity] <= RANKS[last.severity] else None


def _is_muted(event: Event, mute: Mute, now_ms: int) -> bool:
    return (
        now_ms < mute.until_ms
        and mute.rule in {"", event.rule}
        and mute.symbol in {"", event.symbol}
    )


def parse_quiet(hours: str) -> tuple[time, time] | None:
    """Read `22:00-07:00`; None for an empty text. Raises `ValueError`."""
    if not hours:
        return None
    found = _HOURS.fullmatch(hours)
    if found is None:
        raise ValueError(f"quiet hours are like 22:00-07:00, not {hours[:40]!r}")
    begin_hour, begin_minute, end_hour, end_minute = (int(part) for part in found.groups())
    return time(begin_hour, begin_minute), time(end_hour, end_minute)


def quiet_until(hours: str, now_ms: int, zone: tzinfo) -> int | None:
    """Give the end of the quiet hours that last now, epoch milliseconds; None outside them."""
    span = parse_quiet(hours)
    if span is None:
        return None
    begin, end = span
    local = datetime.fromtimestamp(now_ms / 1000, zone)
    clock = local.timetz().replace(tzinfo=None)
    quiet = begin <= clock < end if begin <= end else clock >= begin or clock < end
    if not quiet:
        return None
    day = local.date() if clock < end else local.date() + timedelta(days=1)
    return int(datetime.combine(day, end, zone).timestamp() * 1000)
