"""The stream's Prometheus metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import Counter, Gauge, Histogram

from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric
from cryptostream.stream.settled import Settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptostream.stream.clock import Clock
    from cryptostream.stream.records import Record


def _name(what: str) -> str:
    return metric("stream", what)


TRADES: Final = Counter(_name("trades_total"), "Trades after deduplication, by result", ["result"])
PREDICTIONS: Final = Counter(
    _name("predictions_total"), "Trades by the reason of their prediction; ok has one", ["reason"]
)
CANDLES: Final = Counter(_name("candles_total"), "Candle documents written")
ROLLING: Final = Counter(_name("rolling_total"), "Documents of rolling statistics written")
MESSAGES: Final = Counter(
    _name("messages_total"), "Gaps, alerts and dead letters to index, by result", ["result"]
)
DEAD_LETTERS: Final = Counter(_name("dead_letters_total"), "Records refused", ["reason"])
BULK_RETRIES: Final = Counter(_name("bulk_retries_total"), "Documents sent to a bulk again")
BATCH_SECONDS: Final = Histogram(
    _name("batch_seconds"), "Time in the query's own function", ["query"], buckets=LATENCY_BUCKETS
)
HOP_SECONDS: Final = Histogram(
    _name("hop_seconds"), "A trade's way, sampled per batch", ["hop"], buckets=LATENCY_BUCKETS
)
INPUT_RATE: Final = Gauge(_name("input_rows_per_second"), "Rows read", ["query"])
PROCESSED_RATE: Final = Gauge(_name("processed_rows_per_second"), "Rows processed", ["query"])
PHASE_SECONDS: Final = Gauge(_name("phase_seconds"), "Last batch, by phase", ["query", "phase"])
STATE_ROWS: Final = Gauge(_name("state_rows"), "What is held in memory, by kind", ["query"])
STATE_BYTES: Final = Gauge(_name("state_bytes"), "Size of the last snapshot", ["query"])
BATCHES: Final = Counter(_name("batches_total"), "Micro-batches committed", ["query"])
EVENT_DELAY: Final = Gauge(
    _name("event_delay_seconds"), "When the last batch was settled, less its newest trade's time"
)
WATERMARK_DELAY: Final = Gauge(
    _name("watermark_delay_seconds"),
    "When the last batch was settled, less the time up to which candles are final",
    ["market"],
)
DUPLICATES: Final = Counter(_name("duplicates_total"), "Trades seen before", ["query"])
LATE: Final = Counter(
    _name("late_total"),
    "Trades of a closed second: corrected it, or dropped as it was gone",
    ["result"],
)
LAG: Final = Gauge(_name("lag_records"), "Records not read yet, worst partition", ["query"])
LAG_SECONDS: Final = Gauge(
    _name("lag_seconds"),
    "Now less the newest settled Kafka time, worst partition that has more to read",
    ["query"],
)
ALERTS: Final = Counter(_name("alerts_total"), "Alerts acknowledged", ["rule", "severity"])
ALERT_SECONDS: Final = Histogram(
    _name("alert_seconds"), "From an alert's event to Kafka's word on it", buckets=LATENCY_BUCKETS
)
PROBES: Final = Counter(
    _name("probes_total"), "Settled documents that were searched for, by result", ["result"]
)

#: What was settled last: for the lag in seconds and for the probe that searches for it.
SETTLED: Final = Settled()
#: Observing every row would cost more than rendering it.
SAMPLES_PER_BATCH: Final = 32


def observe_watermarks(clocks: Mapping[tuple[str, str], Clock], settled_time: int) -> None:
    """Record how far each exchange's category is behind; times are epoch milliseconds."""
    for market, clock in clocks.items():
        if clock.watermark:
            delay = (settled_time - clock.watermark) / 1000.0
            WATERMARK_DELAY.labels(":".join(market)).set(delay)


def observe_hops(records: Sequence[Record], stream_time: int, settled_time: int) -> None:
    """Record the hops of an even sample of a batch's trades; times are epoch milliseconds."""
    SETTLED.note(records, settled_time)
    if records:
        newest = max(record.trade.trade_time for record in records)
        EVENT_DELAY.set((settled_time - newest) / 1000.0)
    for record in records[:: max(1, len(records) // SAMPLES_PER_BATCH)]:
        trade = record.trade
        for hop, start, end in (
            ("exchange_ingest", trade.exchange_time, trade.ingest_time),
            ("ingest_kafka", trade.ingest_time, record.kafka_time),
            ("kafka_stream", record.kafka_time, stream_time),
            ("stream_settled", stream_time, settled_time),
        ):
            HOP_SECONDS.labels(hop).observe(max(0, end - start) / 1000.0)
