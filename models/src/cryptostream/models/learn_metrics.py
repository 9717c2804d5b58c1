"""Metrics of continuous training."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge

from cryptostream.contracts.metrics import metric

if TYPE_CHECKING:
    from collections.abc import Mapping

ROUNDS = Counter(metric("models", "learn_rounds_total"), "Rounds by result.", ["result"])
STEPS = Counter(metric("models", "learn_steps_total"), "Steps done.", ["event"])
STEP_TIME = Gauge(metric("models", "learn_step_timestamp_seconds"), "Newest step.", ["event"])
AUC = Gauge(metric("models", "learn_auc"), "AUC on the newest window.", ["kind"])
GAIN = Gauge(metric("models", "learn_log_loss_gain"), "Against the champion.", ["kind", "bound"])
NULL_GREEN = Gauge(metric("models", "null_world_green"), "1 if nothing was found where nothing is.")


def show(event: str, numbers: Mapping[str, Any]) -> None:
    """Show a step and its numbers."""
    STEPS.labels(event).inc()
    STEP_TIME.labels(event).set(time.time())
    if event != "evaluated":
        return
    AUC.labels(numbers["kind"]).set(numbers["auc"])
    for name, bound in (("log_loss_gain", "value"), ("gain_low", "low")):
        if name in numbers:
            GAIN.labels(numbers["kind"], bound).set(numbers[name])
