"""The metrics of the adapters: those of ingest, and what only they can count."""

from __future__ import annotations

from prometheus_client import Counter

from cryptostream.contracts.metrics import metric
from cryptostream.ingest.metrics import ROOM, Metrics


class AdapterMetrics(Metrics):
    """One object for the process."""

    def __init__(self) -> None:
        super().__init__()
        self.stale = Counter(
            metric(ROOM, "trades_stale_total"),
            "Trades that the client handed out again",
            registry=self.registry,
        )
        self.missing = Counter(
            metric(ROOM, "trades_missing_total"),
            "Trades that the exchange's ids prove lost, at least",
            registry=self.registry,
        )
