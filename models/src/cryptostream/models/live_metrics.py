"""Metrics of the scoreboard. Old models' lines are taken away, so labels stay few."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.models.drift import Finding
    from cryptostream.models.intervals import Estimate
    from cryptostream.models.scoreboard import Line

_LABELS = ["model", "group", "horizon"]

TRADES = Counter(metric("models", "live_trades_total"), "Stored trades read.")
FAILURES = Counter(metric("models", "live_failures_total"), "Rounds that failed.")
SECONDS = Histogram(
    metric("models", "live_round_seconds"), "Time of a round.", buckets=LATENCY_BUCKETS
)
ROWS = Gauge(metric("models", "live_rows"), "Decided orders in the window.", _LABELS)
AUC = Gauge(metric("models", "live_auc"), "AUC over the window.", _LABELS)
SKILL = Gauge(metric("models", "live_log_loss_skill"), "1 - log loss / base rate's.", _LABELS)
LOSS = Gauge(metric("models", "live_log_loss"), "Log loss over the window.", _LABELS)
BRIER = Gauge(metric("models", "live_brier"), "Brier score over the window.", _LABELS)
CALIBRATION = Gauge(
    metric("models", "live_calibration_error"), "Said against seen shares.", _LABELS
)
TICK_AUC = Gauge(metric("models", "live_tick_rule_auc"), "AUC of the tick rule.", _LABELS)
EXCESS = Gauge(
    metric("models", "live_excess_loss"),
    "Log loss above the base rate's, of the model in service.",
    ["bound"],
)
DRIFT = Gauge(metric("models", "drift"), "Newest value of a drift detector.", ["detector", "what"])
ALARMS = Counter(metric("models", "drift_alarms_total"), "Drift alarms.", ["detector"])


def show(lines: Sequence[Line]) -> None:
    """Show the newest lines and only them."""
    for gauge in (ROWS, AUC, SKILL, LOSS, BRIER, CALIBRATION, TICK_AUC):
        gauge.clear()
    for line in lines:
        labels = (line.model, line.group, str(line.horizon_ms // 1000))
        ROWS.labels(*labels).set(line.score.rows)
        AUC.labels(*labels).set(line.score.auc.value)
        SKILL.labels(*labels).set(line.score.skill.value)
        LOSS.labels(*labels).set(line.score.log_loss.value)
        BRIER.labels(*labels).set(line.score.brier.value)
        CALIBRATION.labels(*labels).set(line.score.calibration_error)
        TICK_AUC.labels(*labels).set(line.tick_rule_auc)


def show_excess(excess: Estimate | None) -> None:
    """Show the loss above the base rate's, or take it away."""
    EXCESS.clear()
    if excess is not None:
        for bound in ("value", "low", "high"):
            EXCESS.labels(bound).set(getattr(excess, bound))


def show_drift(findings: Sequence[Finding]) -> None:
    """Show the newest findings and count alarms."""
    for found in findings:
        DRIFT.labels(found.detector, found.feature).set(found.value)
        if found.alarm:
            ALARMS.labels(found.detector).inc()
