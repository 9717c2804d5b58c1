"""Alerts into `crypto-alerts`, keyed by symbol so that one symbol's stay in order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cryptostream.contracts.messages import Alert, encode
from cryptostream.contracts.topics import ALERTS
from cryptostream.stream import metrics
from cryptostream.stream.outbox import Outbox

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class AlertSink:
    """Produces alerts; a batch calls `send` once, which returns when all are acknowledged."""

    def __init__(
        self,
        bootstrap_servers: str,
        *,
        topic: str = ALERTS,
        clock_ms: Callable[[], int] = _now_ms,
    ) -> None:
        self._outbox = Outbox(bootstrap_servers, topic)
        self._clock_ms = clock_ms

    def send(self, alerts: Sequence[Alert]) -> None:
        """Produce and acknowledge all; raises `KafkaUnavailableError`.

        A replayed batch sends its alerts again: they have the same ids, and readers drop what
        they know.
        """
        self._outbox.send((one.symbol.encode(), encode(one)) for one in alerts)
        now = self._clock_ms()
        for one in alerts:
            metrics.ALERTS.labels(one.rule, one.severity).inc()
            metrics.ALERT_SECONDS.observe(max(0, now - one.time) / 1000.0)
