"""The board's Prometheus metrics, in a registry of their own."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric


class Metrics:
    """What the board counts of itself."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.polls = Counter(
            metric("board", "polls_total"),
            "Polls of Elasticsearch by outcome",
            ["outcome"],
            registry=self.registry,
        )
        self.poll_seconds = Histogram(
            metric("board", "poll_seconds"),
            "Time of one poll of Elasticsearch",
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self.trades = self._counter("trades_seen_total", "Trades seen for the first time")
        self.bad_documents = self._counter("bad_documents_total", "Documents of no known shape")
        self.jumps = self._counter("jumps_total", "Times the poller skipped to the newest trades")
        self.skips = self._gauge("viewer_skips_count", "Times slow viewers had to load anew")
        self.viewers = self._gauge("viewers_count", "Open streams")
        self.lag = self._gauge("kafka_lag_records", "Records the stream has not committed yet")

    def _counter(self, what: str, text: str) -> Counter:
        return Counter(metric("board", what), text, registry=self.registry)

    def _gauge(self, what: str, text: str) -> Gauge:
        return Gauge(metric("board", what), text, registry=self.registry)
