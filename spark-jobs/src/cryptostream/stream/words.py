"""Alerts as messages: ids that a replay gives again, and plain words with numbers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptostream.contracts.messages import Alert

if TYPE_CHECKING:
    from cryptostream.stream.rules import Rule

_UNITS: Final = ((1e9, "bn"), (1e6, "m"), (1e3, "k"))


class Instrument(NamedTuple):
    """Who an alert is about."""

    exchange: str
    category: str
    symbol: str

    @property
    def key(self) -> str:
        """Name it in one word: `bybit:spot:BTCUSDT`."""
        return f"{self.exchange}:{self.category}:{self.symbol}"


class Finding(NamedTuple):
    """What a rule found: the value, what is usual, and from where on it is told."""

    value: float
    baseline: float
    threshold: float
    message: str
    evidence: dict[str, float]


def alert(
    name: str, rule: Rule, about: Instrument, time_ms: int, found: Finding, *, interval: str = ""
) -> Alert:
    """Build the alert of a finding.

    Its id names the rule, the instrument and the cooldown's bucket of the event's time: a replay
    gives the same one. Two alerts are a cooldown apart at least, so they never share a bucket.
    """
    what = f"{name}:{interval}" if interval else name
    bucket = time_ms - time_ms % rule.cooldown_ms
    return Alert(
        alert_id=f"{what}:{about.key}:{bucket}",
        rule=name,
        severity=rule.severity,
        exchange=about.exchange,
        category=about.category,
        symbol=about.symbol,
        time=time_ms,
        value=found.value,
        baseline=found.baseline,
        threshold=found.threshold,
        message=found.message,
        evidence=found.evidence,
    )


def amount(value: float) -> str:
    """Write a number as people do: `1.25m`, `86k`, `420`, `0.0012`."""
    for size, unit in _UNITS:
        if abs(value) >= size:
            return f"{_short(value / size)}{unit}"
    return _short(value)


def _short(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004 - three digits
