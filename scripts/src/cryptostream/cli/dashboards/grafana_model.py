"""Grafana's pages about what is made of the trades: predictions and alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.cli.dashboards import grafana
from cryptostream.cli.dashboards.grafana import bars, gauge, quantiles, rate, series, stat, total

if TYPE_CHECKING:
    from cryptostream.cli.dashboards.grafana import Json, Query

_SERVED = 'group="all", horizon="10"'


def pages() -> list[Json]:
    """Give both pages."""
    return [predictor(), alerts()]


def predictor() -> Json:
    """Which model answers, how fast, what it refuses, and what its score is now."""
    name = "cryptostream_predictor_"
    model = 'count by (model, no_edge) (cryptostream_predictor_model_info{namespace=~"$namespace"})'
    return grafana.page(
        "cryptostream-predictor",
        "Predictor",
        "The model in service, rows and time, the live score beside its baseline, drift.",
        [
            (6, [(12, bars("Models in service", "short",
                           (model, "{{model}} no edge: {{no_edge}}"))),
                 (6, stat("Age of the model", "s", total(f"{name}model_age_seconds", how="max"),
                          (86_400, "orange"), (3 * 86_400, "red"))),
                 (6, stat("Model refused", "short", total(f"{name}model_refused", how="max"),
                          (1, "red")))]),
            (9, [(8, series("Rows scored", "cps", rate(f"{name}rows_total", "route"))),
                 (8, series("Time of a call", "s", *quantiles(f"{name}predict_seconds", "route"))),
                 (8, series("Calls refused, models loaded", "cps",
                            rate(f"{name}refused_total", "reason"),
                            rate(f"{name}reloads_total", "result")))]),
            (9, [(8, series("Trades without a prediction", "percentunit", _unpredicted())),
                 (8, series("Live AUC beside the tick rule's", "short",
                            _live("live_auc", "{{model}}"),
                            _live("live_tick_rule_auc", "tick rule beside {{model}}"))),
                 (8, series("Log loss above the base rate's", "short",
                            gauge("cryptostream_models_live_excess_loss", "bound", how="max")))]),
            (9, [(8, series("Calibration error", "percentunit",
                            _live("live_calibration_error", "{{model}}"))),
                 (8, series("Features against training, stability index", "short",
                            gauge(f"{name}feature_psi", "feature", how="max"))),
                 (8, series("Drift alarms, rounds that failed", "cps",
                            rate("cryptostream_models_drift_alarms_total", "detector"),
                            rate("cryptostream_models_live_failures_total", "pod")))]),
        ],
    )  # fmt: skip


def _live(what: str, legend: str) -> Query:
    selector = f'{{namespace=~"$namespace", {_SERVED}}}'
    return f"max by (model) (cryptostream_models_{what}{selector})", legend


def _unpredicted() -> Query:
    name = "cryptostream_stream_predictions_total"
    every = f'sum(rate({name}{{namespace=~"$namespace"}}[5m]))'
    missing = f'sum(rate({name}{{namespace=~"$namespace", reason!="ok"}}[5m]))'
    return f"{missing} / {every}", "share"


def alerts() -> Json:
    """What people are told, and how soon."""
    name = "cryptostream_alerts_"
    return grafana.page(
        "cryptostream-alerts",
        "Alerts and audit",
        "Messages to people, what became of them; candles against the exchange's.",
        [
            (5, [(8, stat("Telegram answers", "short", total(f"{name}telegram_up", how="min"))),
                 (8, stat("Events not settled", "short", total(f"{name}open_events"),
                          (50, "orange"))),
                 (8, stat("Candles as the exchange's", "percentunit",
                          total("cryptostream_audit_match_share", how="min")))]),
            (9, [(8, series("Events by source", "cps", rate(f"{name}events_total", "source"))),
                 (8, series("Decisions", "cps", rate(f"{name}decisions_total", "decision"))),
                 (8, series("Deliveries", "cps", rate(f"{name}deliveries_total", "state")))]),
            (9, [(8, series("From an event to its arrival", "s",
                            *quantiles(f"{name}delivery_delay_seconds", "pod"))),
                 (8, series("Messages in the outbox", "short", gauge(f"{name}messages", "state"))),
                 (8, series("Minutes compared with the exchange's", "cps",
                            rate("cryptostream_audit_minutes_total", "result")))]),
        ],
    )  # fmt: skip
