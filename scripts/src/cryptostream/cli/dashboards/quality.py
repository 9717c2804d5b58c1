"""Kibana's Data quality dashboard: what is missing, refused, late, or differs from the exchange."""

from __future__ import annotations

from typing import Final

from cryptostream.cli.dashboards import lens
from cryptostream.cli.dashboards.lens import AMBER, GREEN, GREY, RED, Json

ID: Final = "crypto-data-quality"
_NOTE: Final = (
    "**Duplicates** can't stand in Elasticsearch: a trade's id is its document's id, so the second "
    "copy meets the first. How many came in twice is told by "
    "`cryptostream_stream_duplicates_total` on Grafana's *Stream* page. **Late** trades are stored "
    "as always and correct their candle, which counts them. A gap that is *covered* or *repaired* "
    "lost nothing."
)


def dashboard() -> Json:
    """Make the dashboard's body."""
    return lens.dashboard(
        "Cryptostream: Data quality",
        "Gaps of the feed, dead letters, late and repeated trades, candles against the exchange's.",
        [
            lens.control("gaps", "symbol", "Symbol"),
            lens.control("gaps", "state", "Gap's state"),
            lens.control("dead-letters", "reason", "Dead letter's reason"),
            lens.time_slider(),
        ],
        [
            (3, [(48, _links())]),
            (6, _numbers()),
            (13, [(28, _gaps_over_time()), (20, _gap_lengths())]),
            (14, [(48, _gaps())]),
            (13, [(24, _dead_letters()), (24, _dead_letter_table())]),
            (13, [(20, _late()), (16, _origins()), (12, lens.text(_NOTE))]),
            (13, [(24, _truth()), (24, _worst())]),
        ],
    )


def _links() -> Json:
    return lens.links(
        ("crypto-market", "Market"),
        ("crypto-charts", "Candlesticks and map"),
        ("crypto-model", "Model"),
        ("crypto-alerts", "Alerts"),
    )


def _numbers() -> list[tuple[int, Json]]:
    bad = lens.steps((None, 1, GREEN), (1, None, RED))
    share = lens.steps((None, 0.99, RED), (0.99, 0.999, AMBER), (0.999, None, GREEN))
    painted = {"apply_color_to": "background"}
    return [
        (
            12,
            lens.number(
                "Open gaps", "gaps",
                lens.count("Open gaps", where="state: open") | {"color": bad} | painted,
            ),
        ),
        (
            12,
            lens.number(
                "Dead letters", "dead-letters",
                lens.count("Dead letters") | {"color": bad} | painted,
            ),
        ),
        (
            12,
            lens.number("Late trades", "candles", lens.metric("sum", "late", "Late"),
                        where="interval: 1m"),
        ),
        (
            12,
            lens.number(
                "Candles as the exchange's", "truth",
                lens.metric("average", "share", "Share that match", color=share,
                            format={"type": "percent", "decimals": 2}) | painted,
            ),
        ),
    ]  # fmt: skip


def _gaps_over_time() -> Json:
    config = lens.chart(
        "Gaps by state", "gaps", [lens.count("Gaps")], shape="bar_stacked",
        split=lens.top("state", 4),
    )  # fmt: skip
    return lens.drilldown(config, "crypto-market", "Market at that time")


def _gap_lengths() -> Json:
    return lens.table(
        "Length by cause",
        "gaps",
        [lens.top("cause", 10, label="Cause"), lens.top("state", 4, label="State")],
        [
            lens.count("Gaps"),
            lens.metric("sum", "length_seconds", "Seconds"),
            lens.metric("max", "length_seconds", "Longest"),
            lens.metric("sum", "stitched", "Trades fetched"),
        ],
    )


def _gaps() -> Json:
    return lens.table(
        "Newest gaps",
        "gaps",
        [lens.top("gap_id", 30, label="Gap")],
        [
            lens.metric("max", "from_time", "From"),
            lens.metric("max", "to_time", "To"),
            lens.last("gaps", "symbol", "Symbol"),
            lens.last("gaps", "cause", "Cause"),
            lens.last("gaps", "state", "State"),
            lens.last("gaps", "shard", "Shard"),
        ],
    )


def _dead_letters() -> Json:
    return lens.chart(
        "Dead letters by reason", "dead-letters", [lens.count("Dead letters")],
        shape="bar_stacked", split=lens.top("reason", 8),
    )  # fmt: skip


def _dead_letter_table() -> Json:
    return lens.table(
        "Who refused what",
        "dead-letters",
        [
            lens.top("component", 6, label="Component"),
            lens.top("reason", 10, label="Reason"),
            lens.top("source", 5, label="Source"),
        ],
        [lens.count("Dead letters"), lens.metric("max", "time", "Newest")],
    )


def _late() -> Json:
    return lens.chart(
        "Late trades by candle's start, 1 m", "candles", [lens.metric("sum", "late", "Late")],
        shape="bar_stacked", split=lens.top("symbol", 8), where="interval: 1m",
    )  # fmt: skip


def _origins() -> Json:
    return lens.chart(
        "Trades by origin", "trades", [lens.count("Trades")], shape="bar_stacked",
        split=lens.top("origin", 4),
    )  # fmt: skip


def _truth() -> Json:
    kinds = (("match", "Match", GREEN), ("diverged", "Diverged", AMBER), ("miss", "Missing", RED),
             ("extra", "Too many", "#a87ca0"), ("quiet", "Quiet", GREY))  # fmt: skip
    ys = [
        lens.metric("sum", field, label, color={"type": "static", "color": color})
        for field, label, color in kinds
    ]
    return lens.chart("Our minutes against the exchange's", "truth", ys, shape="bar_stacked")


def _worst() -> Json:
    return lens.table(
        "Worst differences",
        "truth",
        [lens.top("worst.symbol", 15, label="Symbol"), lens.top("worst.field", 5, label="Field")],
        [lens.metric("max", "worst.divergence", "Relative difference"),
         lens.last("truth", "worst.result", "Result"),
         lens.metric("max", "start", "Minute")],
    )  # fmt: skip
