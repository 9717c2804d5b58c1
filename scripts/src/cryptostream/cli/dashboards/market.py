"""Kibana's Market dashboard: what trades, at which price, and who is the aggressor."""

from __future__ import annotations

from typing import Final

from cryptostream.cli.dashboards import lens
from cryptostream.cli.dashboards.lens import GREEN, GREY, RED, Json

ID: Final = "crypto-market"
_RETURN_COLORS: Final = lens.steps(
    (None, -20, "#a02c1c"), (-20, -2, RED), (-2, 2, GREY), (2, 20, GREEN), (20, None, "#0a6b5e")
)
_BPS: Final = {"type": "number", "decimals": 1, "suffix": " bps"}
_MINUTES: Final = "interval: 1m"


def dashboard() -> Json:
    """Make the dashboard's body."""
    return lens.dashboard(
        "Cryptostream: Market",
        "Price, tape, direction of the takers, and how symbols move together.",
        [
            lens.control("trades", "symbol", "Symbol"),
            lens.control("trades", "side", "Taker's side"),
            lens.control("trades", "prediction.direction", "Prediction"),
            lens.control("trades", "prediction.model", "Model version"),
            lens.time_slider(),
        ],
        [
            (3, [(48, _links())]),
            (6, _numbers()),
            (14, [(32, _price()), (16, _direction())]),
            (12, [(24, _bands()), (24, _volume())]),
            (16, [(28, _returns_over_time()), (20, _movers())]),
            (14, [(28, _tape()), (20, _correlation())]),
        ],
    )


def _links() -> Json:
    return lens.links(
        ("crypto-charts", "Candlesticks and map"),
        ("crypto-model", "Model"),
        ("crypto-alerts", "Alerts"),
        ("crypto-data-quality", "Data quality"),
    )


def _numbers() -> list[tuple[int, Json]]:
    return [
        (12, lens.number("Trades", "trades", lens.count("Trades"))),
        (12, lens.number("Turnover", "trades", lens.metric("sum", "notional", "Turnover"))),
        (12, lens.number("Symbols", "trades", lens.metric("unique_count", "symbol", "Symbols"))),
        (
            12,
            lens.number(
                "Exchange to stream, p95",
                "trades",
                lens.metric("percentile", "stream_lag_ms", "ms", percentile=95),
            ),
        ),
    ]


def _price() -> Json:
    price = lens.last("trades", "price", "Price")
    config = lens.chart("Last price", "trades", [price], split=lens.top("symbol", 5, by="notional"))
    return lens.drilldown(
        config | {"styling": {"fitting": {"type": "carry"}}}, "crypto-model", "Model"
    )


def _direction() -> Json:
    buys, sells = (
        lens.metric(
            "sum", "notional", label, filter={"expression": f"side: {side}"},
            color={"type": "static", "color": color},
        )
        for side, label, color in (("buy", "Bought", GREEN), ("sell", "Sold", RED))
    )  # fmt: skip
    return lens.chart("Takers' direction, turnover", "trades", [buys, sells], shape="bar_stacked")


def _bands() -> Json:
    fields = (
        ("close", "Close"),
        ("indicators.bb_upper", "Upper band"),
        ("indicators.bb_middle", "Middle"),
        ("indicators.bb_lower", "Lower band"),
    )
    return lens.chart(
        "Close within its Bollinger bands, 1 m (choose one symbol)",
        "candles",
        [lens.last("candles", field, label) for field, label in fields],
        where=_MINUTES,
    )


def _volume() -> Json:
    turnover = lens.metric("sum", "turnover", "Turnover")
    return lens.chart(
        "Turnover by symbol, 1 m", "candles", [turnover], shape="bar_stacked",
        split=lens.top("symbol", 8), where=_MINUTES,
    )  # fmt: skip


def _returns_over_time() -> Json:
    value = lens.metric("average", "return_bps", "Return, bps", color=_RETURN_COLORS)
    config = lens.heatmap(
        "Return by symbol, mean of the 1 m candles", "candles", lens.over_time("candles"),
        lens.top("symbol", 20, by="turnover"), value, where=_MINUTES,
    )  # fmt: skip
    return lens.drilldown(config, "crypto-alerts", "Alerts of it")


def _movers() -> Json:
    config = lens.table(
        "Last hour by symbol",
        "rolling",
        [lens.top("symbol", 25, label="Symbol", by="turnover")],
        [
            lens.last("rolling", "turnover", "Turnover"),
            lens.last(
                "rolling", "return_bps", "Return", format=_BPS, color=_RETURN_COLORS,
                apply_color_to="background",
            ),
            lens.last("rolling", "volatility_bps", "Volatility", format=_BPS),
            lens.last("rolling", "coverage", "Seen", format={"type": "percent", "decimals": 0}),
        ],
        where="window: 1h",
    )  # fmt: skip
    return lens.drilldown(config, "crypto-model", "Model")


def _tape() -> Json:
    return lens.table(
        "Tape: the newest trades",
        "trades",
        [lens.top("trade_id", 50, label="Trade")],
        [
            lens.metric("max", "trade_time", "Time"),
            lens.last("trades", "symbol", "Symbol"),
            lens.last("trades", "side", "Side"),
            lens.metric("max", "price", "Price"),
            lens.metric("max", "size", "Size"),
            lens.last("trades", "prediction.direction", "Prediction"),
        ],
    )


def _correlation() -> Json:
    colors = lens.steps(
        (None, -0.3, RED), (-0.3, 0.3, GREY), (0.3, 0.7, "#7fc4b8"), (0.7, None, GREEN)
    )
    value = lens.last("rolling", "correlation", "Correlation", color=colors)
    return lens.heatmap(
        "Correlation with the reference symbol", "rolling", lens.top("window", 3, by="turnover"),
        lens.top("symbol", 20, by="turnover"), value,
    )  # fmt: skip
