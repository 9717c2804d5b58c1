"""The audit's Prometheus metrics."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

from cryptostream.contracts.metrics import metric


def _name(what: str) -> str:
    return metric("audit", what)


MINUTES: Final = Counter(_name("minutes_total"), "Symbol minutes compared, by result", ["result"])
SHARE: Final = Gauge(
    _name("match_share"), "Of the last round's minutes with trades, those that match"
)
#: Bounded by the symbols that are compared, `AUDIT_TOP` at most.
DIVERGENCE: Final = Gauge(
    _name("worst_divergence_ratio"), "Of a symbol's last turn, the worst field", ["symbol"]
)
FAILURES: Final = Counter(_name("failures_total"), "Requests that failed", ["server"])
SKIPPED: Final = Gauge(_name("skipped_minutes"), "Symbol minutes that were never compared")
LAST_ROUND: Final = Gauge(_name("last_round_timestamp_seconds"), "When a round last ended well")
