"""The metrics of ingest, on a registry of their own."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric

ROOM: Final = "ingest"


class Metrics:
    """Counters, gauges and histograms; one object for the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.frames = self._counter("frames_total", "Frames by kind", "kind")
        self.received = self._counter("trades_received_total", "Valid trades received")
        self.produced = self._counter("trades_produced_total", "Trades put into Kafka's queue")
        self.delivered = self._counter("trades_delivered_total", "Trades that Kafka acknowledged")
        self.failed = self._counter("trades_failed_total", "Trades that Kafka refused")
        self.dead_letters = self._counter("dead_letters_total", "Refused input", "reason")
        self.dead_letters_failed = self._counter(
            "dead_letters_failed_total", "Dead letters that Kafka refused"
        )
        self.records_failed = self._counter(
            "records_failed_total", "Gaps and coverage reports that Kafka refused"
        )
        self.reconnects = self._counter("reconnects_total", "Connections given up", "cause")
        self.attempts = self._counter("connections_total", "Connections begun")
        self.refusals = self._counter("subscriptions_refused_total", "Topics refused, each time")
        self.silences = self._counter("silences_total", "Symbols found silent, each time")
        self.waits = self._counter("queue_full_total", "Waits for room in Kafka's queue")
        self.lease_failures = self._counter(
            "lease_failures_total", "Calls about leases that the API server failed", "verb"
        )
        self.connected = self._gauge("connected", "Open connections to the exchange")
        self.subscribed = self._gauge("subscribed_topics", "Topics that the exchange granted")
        self.refused = self._gauge("refused_topics", "Topics that the exchange doesn't know")
        self.unanswered = self._gauge(
            "unanswered_seconds", "For how long an answer to a subscription is due"
        )
        self.silent = self._gauge("silent_symbols", "Symbols that are silent now")
        self.budget = self._gauge("connection_budget", "Connections left in this window")
        self.members = self._gauge("members", "Live instances, this one included")
        self.symbols = self._gauge("symbols", "Symbols that this instance reads")
        self.listed = self._gauge("listed_symbols", "Symbols that all instances share")
        self.loop_lag = self._gauge("loop_lag_seconds", "How late the loop's last beat was")
        self.ready = self._gauge("ready", "1 if /readyz says yes")
        self.queue_depth = self._gauge("queue_depth", "Messages not yet acknowledged by Kafka")
        self.exchange_latency = self._histogram(
            "exchange_latency_seconds", "Pushed by the exchange to received, per frame"
        )
        self.delivery_latency = self._histogram(
            "delivery_latency_seconds", "Produced to acknowledged, one trade of each look"
        )

    def _counter(self, what: str, text: str, *labels: str) -> Counter:
        return Counter(metric(ROOM, what), text, labels, registry=self.registry)

    def _gauge(self, what: str, text: str) -> Gauge:
        return Gauge(metric(ROOM, what), text, registry=self.registry)

    def _histogram(self, what: str, text: str) -> Histogram:
        return Histogram(metric(ROOM, what), text, buckets=LATENCY_BUCKETS, registry=self.registry)
