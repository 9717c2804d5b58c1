"""The scoreboard's alerts: what it says, and how it gets to Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer

from cryptostream.contracts import topics
from cryptostream.contracts.messages import Alert, encode
from cryptostream.models.errors import ScoreboardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.settings import KafkaSettings
    from cryptostream.models.drift import Finding
    from cryptostream.models.intervals import Estimate

FLUSH_SECONDS: Final = 10.0
#: The same thing is told once in so long: ids repeat within it, and receivers know them.
EVERY_MS: Final = 30 * 60_000
ALL_SYMBOLS: Final = "ALL"
DRIFT: Final = "model_drift"
WORSE: Final = "model_worse_than_base"


def drift_alert(found: Finding, market: tuple[str, str], time_ms: int) -> Alert:
    """Say that a detector rang: a hint to look, never a reason to promote."""
    threshold = found.threshold or 0.0
    return Alert(
        alert_id=f"{DRIFT}:{found.detector}:{found.feature}:{time_ms // EVERY_MS * EVERY_MS}",
        rule=DRIFT,
        severity="warning",
        exchange=market[0],
        category=market[1],
        symbol=ALL_SYMBOLS,
        time=time_ms,
        value=found.value,
        baseline=threshold,
        threshold=threshold,
        message=f"{found.feature} has changed ({found.detector} {found.value:.3g}, usual below "
        f"{threshold:.3g})",
        evidence={"value": found.value, "threshold": threshold},
    )


def worse_alert(
    model: str, excess: Estimate, base_rate: float, market: tuple[str, str], time_ms: int
) -> Alert:
    """Say that the model in service does worse than knowing nothing but the base rate."""
    return Alert(
        alert_id=f"{WORSE}:{model}:{time_ms // EVERY_MS * EVERY_MS}",
        rule=WORSE,
        severity="critical",
        exchange=market[0],
        category=market[1],
        symbol=ALL_SYMBOLS,
        time=time_ms,
        value=excess.value,
        baseline=0.0,
        threshold=0.0,
        message=f"{model} has lost {excess.value:.4f} a row more than the base rate "
        f"{base_rate:.3f} would, surely at least {excess.low:.4f}",
        evidence={"excess": excess.value, "low": excess.low, "base_rate": base_rate},
    )


class AlertSink:
    """Sends alerts to `crypto-alerts`; `send` returns when Kafka has acknowledged them."""

    def __init__(self, settings: KafkaSettings) -> None:
        self._failed = 0
        self._producer = Producer(
            {
                **settings.client_options(),
                "enable.idempotence": True,
                "message.timeout.ms": int(FLUSH_SECONDS * 1000),
            }
        )

    def send(self, alerts: Sequence[Alert]) -> None:
        """Send all; raises `ScoreboardError` if some were not acknowledged."""
        self._failed = 0
        for alert in alerts:
            self._producer.produce(
                topics.ALERTS, encode(alert), alert.rule, on_delivery=self._delivered
            )
        left = self._producer.flush(FLUSH_SECONDS)
        if left or self._failed:
            raise ScoreboardError(f"Kafka took only some of {len(alerts)} alerts")

    def _delivered(self, error: object, _message: object) -> None:
        self._failed += error is not None
