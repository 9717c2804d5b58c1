"""Kibana's Alerts dashboard: what the rules found, and whether anybody heard of it."""

from __future__ import annotations

from typing import Final

from cryptostream.cli.dashboards import lens
from cryptostream.cli.dashboards.lens import AMBER, GREEN, GREY, RED, Json

ID: Final = "crypto-alerts"


def dashboard() -> Json:
    """Make the dashboard's body."""
    return lens.dashboard(
        "Cryptostream: Alerts and anomalies",
        "What the rules found, with the numbers behind it, and what became of each alert.",
        [
            lens.control("alerts", "symbol", "Symbol"),
            lens.control("alerts", "rule", "Rule"),
            lens.control("alerts", "severity", "Severity"),
            lens.time_slider(),
        ],
        [
            (3, [(48, _links())]),
            (6, _numbers()),
            (13, [(30, _over_time()), (18, _by_rule())]),
            (14, [(28, _where()), (20, _strength())]),
            (15, [(48, _newest())]),
            (12, [(24, _receipts()), (24, _refused())]),
        ],
    )


def _links() -> Json:
    return lens.links(
        ("crypto-market", "Market"),
        ("crypto-charts", "Candlesticks and map"),
        ("crypto-model", "Model"),
        ("crypto-data-quality", "Data quality"),
    )


def _numbers() -> list[tuple[int, Json]]:
    alerts = lens.count("Alerts")
    red = lens.steps((None, 1, GREY), (1, None, RED))
    critical = lens.count("Critical", where="severity: critical")
    return [
        (12, lens.number("Alerts", "alerts", alerts)),
        (
            12,
            lens.number(
                "Critical", "alerts", critical | {"color": red, "apply_color_to": "background"}
            ),
        ),
        (
            12,
            lens.number(
                "Symbols concerned", "alerts", lens.metric("unique_count", "symbol", "Symbols")
            ),
        ),
        (12, lens.number("Receipts", "receipts", lens.count("Receipts of messages"))),
    ]


def _over_time() -> Json:
    config = lens.chart(
        "Alerts by rule", "alerts", [lens.count("Alerts")], shape="bar_stacked",
        split=lens.top("rule", 10),
    )  # fmt: skip
    return lens.drilldown(config, "crypto-market", "Market at that time")


def _by_rule() -> Json:
    counts = [
        lens.count(label, where=f"severity: {severity}")
        | {"color": {"type": "static", "color": color}}
        for severity, label, color in (
            ("info", "Info", GREEN),
            ("warning", "Warning", AMBER),
            ("critical", "Critical", RED),
        )
    ]
    return lens.chart(
        "Rules by severity", "alerts", counts, shape="bar_horizontal_stacked",
        x=lens.top("rule", 10),
    )  # fmt: skip


def _where() -> Json:
    value = lens.count("Alerts")
    config = lens.heatmap(
        "Where and when", "alerts", lens.over_time("alerts"), lens.top("symbol", 20), value
    )
    return lens.drilldown(config, "crypto-market", "Market of it")


def _strength() -> Json:
    return lens.table(
        "How far from usual",
        "alerts",
        [lens.top("rule", 10, label="Rule")],
        [
            lens.count("Alerts"),
            lens.metric("max", "value", "Largest value"),
            lens.metric("average", "baseline", "Usual"),
            lens.metric("average", "threshold", "Threshold"),
        ],
    )


def _newest() -> Json:
    config = lens.table(
        "Newest alerts",
        "alerts",
        [lens.top("alert_id", 30, label="Alert")],
        [
            lens.metric("max", "time", "Time"),
            lens.last("alerts", "severity", "Severity"),
            lens.last("alerts", "rule", "Rule"),
            lens.last("alerts", "symbol", "Symbol"),
            lens.metric("max", "value", "Value"),
            lens.metric("max", "baseline", "Usual"),
            lens.metric("max", "threshold", "Threshold"),
        ],
    )
    return lens.drilldown(config, "crypto-market", "Market at that time")


def _receipts() -> Json:
    return lens.chart(
        "What became of messages", "receipts", [lens.count("Receipts")], shape="bar_stacked",
        split=lens.top("state", 6),
    )  # fmt: skip


def _refused() -> Json:
    return lens.table(
        "By channel and reason",
        "receipts",
        [
            lens.top("channel", 5, label="Channel"),
            lens.top("state", 5, label="State"),
            lens.top("reason", 5, label="Reason"),
        ],
        [lens.count("Receipts"), lens.metric("max", "attempts", "Most attempts")],
    )
