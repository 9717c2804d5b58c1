"""Grafana's pages about a trade's way: lag, ingest and stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.cli.dashboards import grafana, grafana_model, grafana_servers
from cryptostream.cli.dashboards.grafana import gauge, quantiles, rate, series, stat, total

if TYPE_CHECKING:
    from cryptostream.cli.dashboards.grafana import Json

_HOPS = "cryptostream_stream_hop_seconds"
_OPEN_GAPS = "cryptostream_ingest_open_gap_seconds"


def pages() -> list[Json]:
    """Give all pages."""
    return [lag(), ingest(), stream(), *grafana_model.pages(), *grafana_servers.pages()]


def lag() -> Json:
    """Where a trade's time goes, and how far behind the stream is."""
    slow = ((1.0, "orange"), (3.0, "red"))
    median, high, highest = quantiles(_HOPS, "hop")
    return grafana.page(
        "cryptostream-lag",
        "Pipeline lag",
        "Each hop of a trade's way; records not read yet, by query and by partition.",
        [
            (
                5,
                [
                    (6, stat("Exchange to searchable, p95", "s",
                             _hop("exchange_searchable", 0.95), *slow)),
                    (6, stat("Settling in Elasticsearch, p95", "s", _hop("stream_settled", 0.95),
                             *slow)),
                    (6, stat("Seconds behind", "s",
                             total("cryptostream_stream_lag_seconds", how="max"),
                             (5, "orange"), (60, "red"))),
                    (6, stat("Open gaps, length", "s", total(_OPEN_GAPS),
                             (1, "orange"), (60, "red"))),
                ],
            ),
            (9, [(8, series("Hops, p50", "s", median)), (8, series("Hops, p95", "s", high)),
                 (8, series("Hops, p99", "s", highest))]),
            (9, [(12, series("Records behind by query, worst partition", "short",
                             gauge("cryptostream_stream_lag_records", "query", how="max"))),
                 (12, series("Records behind by partition", "short", _by_partition(),
                             note="From the offsets that the stream commits after each batch."))]),
            (9, [(8, series("Seconds behind by query, worst partition", "s",
                            gauge("cryptostream_stream_lag_seconds", "query", how="max"))),
                 (8, series("Newest trade to settled batch", "s",
                            gauge("cryptostream_stream_event_delay_seconds", "pod", how="max"))),
                 (8, series("Skew: worst partition above the mean", "short", _skew()))]),
            (9, [(12, series("Alerts: from their event to Kafka's word", "s",
                             *quantiles("cryptostream_stream_alert_seconds", "pod"))),
                 (12, series("Searches for settled documents", "cps",
                             rate("cryptostream_stream_probes_total", "result")))]),
        ],
    )  # fmt: skip


def _hop(hop: str, share: float) -> tuple[str, str]:
    buckets = f'sum by (le) (rate({_HOPS}_bucket{{namespace=~"$namespace", hop="{hop}"}}[5m]))'
    return f"histogram_quantile({share}, {buckets})", ""


def _by_partition() -> tuple[str, str]:
    return (
        'sum by (topic, partition) (kafka_consumergroup_lag{consumergroup=~"cryptostream.*"})',
        "{{topic}}/{{partition}}",
    )


def _skew() -> tuple[str, str]:
    lag_of = 'kafka_consumergroup_lag{consumergroup=~"cryptostream.*"}'
    worst, mean = f"max by (topic) ({lag_of})", f"avg by (topic) ({lag_of})"
    return f"{worst} - {mean}", "{{topic}}"


def ingest() -> Json:
    """Who reads what from the exchange, and what was missed."""
    name = "cryptostream_ingest_"
    return grafana.page(
        "cryptostream-ingest",
        "Ingest",
        "Shards and owners, rates, connections, gaps.",
        [
            (
                5,
                [
                    (6, stat("Instances", "short", total(f"{name}members", how="max"))),
                    (6, stat("Symbols without an owner", "short", _uncovered(), (1, "red"))),
                    (6, stat("Silent symbols", "short", total(f"{name}silent_symbols"),
                             (1, "orange"))),
                    (6, stat("Topics refused", "short", total(f"{name}refused_topics"),
                             (1, "orange"))),
                ],
            ),
            (9, [(12, series("Trades received", "cps",
                             rate(f"{name}trades_received_total", "pod"))),
                 (12, series("Trades acknowledged by Kafka", "cps",
                             rate(f"{name}trades_delivered_total", "pod")))]),
            (9, [(12, series("Symbols by instance", "short", gauge(f"{name}symbols", "pod"))),
                 (12, series("Topics granted and connections", "short",
                             gauge(f"{name}subscribed_topics", "pod"),
                             gauge(f"{name}connected", "pod")))]),
            (9, [(8, series("Connections given up", "cps",
                            rate(f"{name}reconnects_total", "cause"))),
                 (8, series("Connections left in the window", "short",
                            gauge(f"{name}connection_budget", "pod", how="min"))),
                 (8, series("Calls about leases that failed", "cps",
                            rate(f"{name}lease_failures_total", "verb")))]),
            (9, [(8, series("Open gaps, length by how busy", "s", gauge(_OPEN_GAPS, "group"))),
                 (8, series("Gaps told, by state", "cps", rate(f"{name}gaps_total", "state"))),
                 (8, series("Trades fetched afterwards", "cps",
                            rate(f"{name}trades_stitched_total", "pod"),
                            rate(f"{name}recent_requests_total", "pod")))]),
            (9, [(8, series("Exchange to ingest", "s",
                            *quantiles(f"{name}exchange_latency_seconds", "pod"))),
                 (8, series("Kafka's acknowledgement", "s",
                            *quantiles(f"{name}delivery_latency_seconds", "pod"))),
                 (8, series("Dead letters and refusals", "cps",
                            rate(f"{name}dead_letters_total", "reason"),
                            rate(f"{name}trades_failed_total", "pod")))]),
            (9, [(12, series("Messages not acknowledged yet", "short",
                             gauge(f"{name}queue_depth", "pod"))),
                 (12, series("How late the event loop beats", "s",
                             gauge(f"{name}loop_lag_seconds", "pod", how="max")))]),
        ],
    )  # fmt: skip


def _uncovered() -> tuple[str, str]:
    listed = 'max(cryptostream_ingest_listed_symbols{namespace=~"$namespace"})'
    # Each symbol has two owners as soon as there are two instances, else one.
    owned = 'sum(cryptostream_ingest_symbols{namespace=~"$namespace"})'
    owners = 'clamp_max(max(cryptostream_ingest_members{namespace=~"$namespace"}), 2)'
    return f"clamp_min({listed} - {owned} / {owners}, 0)", ""


def stream() -> Json:
    """What the stream does with its time."""
    name = "cryptostream_stream_"
    return grafana.page(
        "cryptostream-stream",
        "Stream",
        "Batches and their phases, state, what was written and what was refused.",
        [
            (9, [(8, series("Trades by result", "cps", rate(f"{name}trades_total", "result"))),
                 (8, series("Rows read and processed", "cps",
                            gauge(f"{name}input_rows_per_second", "query", how="max"),
                            gauge(f"{name}processed_rows_per_second", "query", how="max"))),
                 (8, series("Predictions by reason", "cps",
                            rate(f"{name}predictions_total", "reason")))]),
            (9, [(12, series("Last batch by phase", "s",
                             gauge(f"{name}phase_seconds", "phase", how="max"), stack=True)),
                 (12, series("Batches", "s", *quantiles(f"{name}batch_seconds", "query")))]),
            (9, [(8, series("Repeated trades", "cps", rate(f"{name}duplicates_total", "query"))),
                 (8, series("Late trades", "cps", rate(f"{name}late_total", "result"))),
                 (8, series("Held in memory", "short",
                            gauge(f"{name}state_rows", "query", how="max")))]),
            (9, [(12, series("Batches committed", "cps", rate(f"{name}batches_total", "query"))),
                 (12, series("Alerts by rule", "cps", rate(f"{name}alerts_total", "rule")))]),
            (9, [(8, series("Candles and rolling statistics written", "cps",
                            rate(f"{name}candles_total", "pod"),
                            rate(f"{name}rolling_total", "pod"))),
                 (8, series("Other documents by result", "cps",
                            rate(f"{name}messages_total", "result"))),
                 (8, series("Sent again and refused", "cps",
                            rate(f"{name}bulk_retries_total", "pod"),
                            rate(f"{name}dead_letters_total", "reason")))]),
        ],
    )  # fmt: skip
