"""The stream's Prometheus metrics, and the HTTP port that serves them with the health answers."""

from __future__ import annotations

from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import Counter, Gauge, Histogram, make_wsgi_app

from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptostream.stream.records import Record


def _name(what: str) -> str:
    return metric("stream", what)


TRADES: Final = Counter(_name("trades_total"), "Trades after deduplication, by result", ["result"])
PREDICTIONS: Final = Counter(
    _name("predictions_total"), "Trades by the reason of their prediction; ok has one", ["reason"]
)
CANDLES: Final = Counter(_name("candles_total"), "Candle documents written")
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
STATE_ROWS: Final = Gauge(_name("state_rows"), "Rows in the state store", ["query"])
DUPLICATES: Final = Counter(_name("duplicates_total"), "Trades seen before", ["query"])
LATE: Final = Counter(_name("late_total"), "Trades too late for their candle", ["query"])
LAG: Final = Gauge(_name("lag_records"), "Records not read yet, worst partition", ["query"])

#: Observing every row would cost more than rendering it.
SAMPLES_PER_BATCH: Final = 32


def observe_hops(records: Sequence[Record], stream_time: int, settled_time: int) -> None:
    """Record the hops of an even sample of a batch's trades; times are epoch milliseconds."""
    for record in records[:: max(1, len(records) // SAMPLES_PER_BATCH)]:
        trade = record.trade
        for hop, start, end in (
            ("exchange_ingest", trade.exchange_time, trade.ingest_time),
            ("ingest_kafka", trade.ingest_time, record.kafka_time),
            ("kafka_stream", record.kafka_time, stream_time),
            ("stream_settled", stream_time, settled_time),
        ):
            HOP_SECONDS.labels(hop).observe(max(0, end - start) / 1000.0)


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Probes and scrapes every few seconds are no news."""


def serve(host: str, port: int, *, ready: Callable[[], bool]) -> None:
    """Serve /metrics, /livez and /readyz from a daemon thread; raises `OSError` if taken."""
    metrics_app = make_wsgi_app()

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/metrics":
            exposition: Iterable[bytes] = metrics_app(environ, start_response)
            return exposition
        good = path == "/livez" or (path == "/readyz" and ready())
        start_response("200 OK" if good else "503 Service Unavailable", [])
        return [b"ok\n" if good else b"not ready\n"]

    server = make_server(host, port, app, handler_class=_Quiet)
    Thread(target=server.serve_forever, name="metrics", daemon=True).start()
