"""The candlestick chart with Bollinger bands and volume, as a Vega specification for Kibana.

Kibana fills in the dashboard's filters and time range where the query says `%...%`, and sets
`width` and `height` to the panel's. Without a chosen symbol the busiest is shown, without a
chosen interval the finest.
"""

from __future__ import annotations

from typing import Any, Final

from cryptostream.cli.dashboards.lens import AMBER, BLUE, GREEN, RED, Json
from cryptostream.contracts.indices import CANDLES_INDICES
from cryptostream.contracts.messages import INTERVAL_MS

SCHEMA: Final = "https://vega.github.io/schema/vega/v5.json"
#: A bucket each; more would be less than a pixel wide.
MAX_CANDLES: Final = 1_000
_COLUMNS: Final = {
    "open": "open",
    "high": "high",
    "low": "low",
    "close": "close",
    "turnover": "turnover",
    "upper": "indicators.bb_upper",
    "middle": "indicators.bb_middle",
    "lower": "indicators.bb_lower",
}
#: Shares of the height: where prices end and where volume begins.
_PRICE_END, _VOLUME_START = 0.74, 0.8


def spec() -> Json:
    """Make the specification."""
    return {
        "$schema": SCHEMA,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 8,
        "config": {"kibana": {"hideWarnings": True}},
        "data": _data(),
        "signals": _signals(),
        "scales": _scales(),
        "axes": _axes(),
        "marks": [*_bands(), *_candles(), _volume(), *_texts()],
    }


def query() -> Json:
    """Make the search: symbol -> interval -> candles, one bucket per candle."""
    values = {name: {"max": {"field": field}} for name, field in _COLUMNS.items()}
    candles = {
        "terms": {"field": "start", "size": MAX_CANDLES, "order": {"_key": "desc"}},
        "aggs": values,
    }
    intervals = {
        "terms": {"field": "interval", "size": 1, "order": {"_count": "desc"}},
        "aggs": {"candles": candles},
    }
    return {
        "size": 0,
        "query": {
            "bool": {
                "must": [
                    "%dashboard_context-must_clause%",
                    {"range": {"start": {"%timefilter%": True}}},
                ],
                "filter": ["%dashboard_context-filter_clause%"],
                "must_not": ["%dashboard_context-must_not_clause%"],
            }
        },
        "aggs": {
            "symbols": {
                "terms": {"field": "symbol", "size": 1, "order": {"turnover": "desc"}},
                "aggs": {"turnover": {"sum": {"field": "turnover"}}, "intervals": intervals},
            }
        },
    }


def _data() -> list[Json]:
    named = {"symbol": "key", "interval": "interval.key", "start": "candle.key"}
    named |= {name: f"candle.{name}.value" for name in _COLUMNS}
    return [
        {
            "name": "candles",
            "url": {"index": CANDLES_INDICES, "body": query()},
            "format": {"property": "aggregations.symbols.buckets"},
            "transform": [
                {"type": "flatten", "fields": ["intervals.buckets"], "as": ["interval"]},
                {"type": "flatten", "fields": ["interval.candles.buckets"], "as": ["candle"]},
                {"type": "project", "fields": list(named.values()), "as": list(named)},
                {"type": "formula", "as": "up", "expr": "datum.close >= datum.open"},
                {"type": "collect", "sort": {"field": "start"}},
            ],
        },
        {
            "name": "extent",
            "source": "candles",
            "transform": [
                {
                    "type": "aggregate",
                    "ops": ["min", "max", "count"],
                    "fields": ["start", "start", "start"],
                    "as": ["first", "last", "count"],
                }
            ],
        },
        {
            "name": "banded",
            "source": "candles",
            "transform": [{"type": "filter", "expr": "isValid(datum.upper)"}],
        },
    ]


def _signals() -> list[Json]:
    lengths = ", ".join(f"'{name}': {length}" for name, length in INTERVAL_MS.items())
    return [
        {"name": "some", "update": "length(data('candles')) > 0"},
        {"name": "shown", "update": "some ? data('candles')[0] : {symbol: '', interval: '1m'}"},
        {"name": "step", "update": f"({{{lengths}}})[shown.interval]"},
        {"name": "first", "update": "some ? data('extent')[0].first : now() - 3600000"},
        {"name": "last", "update": "some ? data('extent')[0].last : now()"},
        {
            "name": "barWidth",
            "update": "max(1, 0.7 * width * step / max(step, last - first + step))",
        },
    ]


def _scales() -> list[Json]:
    def linear(name: str, fields: list[str], ends: tuple[str, str], **more: Any) -> Json:
        return {
            "name": name,
            "type": "linear",
            "domain": {"data": "candles", "fields": fields},
            "range": [{"signal": ends[0]}, {"signal": ends[1]}],
        } | more

    return [
        {
            "name": "x",
            "type": "utc",
            "domain": [{"signal": "first - step"}, {"signal": "last + step"}],
            "range": "width",
        },
        linear(
            "price", ["low", "high", "upper", "lower"], (f"{_PRICE_END} * height", "0"),
            zero=False, nice=True,
        ),
        linear("volume", ["turnover"], ("height", f"{_VOLUME_START} * height"), nice=True),
        {"name": "color", "type": "ordinal", "domain": [True, False], "range": [GREEN, RED]},
    ]  # fmt: skip


def _axes() -> list[Json]:
    grid = {"grid": True, "gridOpacity": 0.3}
    return [
        {"orient": "bottom", "scale": "x", "tickCount": 8, "format": "%H:%M",
         "labelOverlap": True},
        {"orient": "right", "scale": "price", "title": "Price", **grid},
        {"orient": "right", "scale": "volume", "title": "Turnover", "tickCount": 3,
         "format": "~s"},
    ]  # fmt: skip


def _bands() -> list[Json]:
    def line(field: str, color: str) -> Json:
        return {
            "type": "line",
            "from": {"data": "banded"},
            "encode": {
                "update": {
                    "x": {"scale": "x", "field": "start"},
                    "y": {"scale": "price", "field": field},
                    "stroke": {"value": color},
                    "strokeWidth": {"value": 1.2},
                }
            },
        }

    area = {
        "type": "area",
        "from": {"data": "banded"},
        "encode": {
            "update": {
                "x": {"scale": "x", "field": "start"},
                "y": {"scale": "price", "field": "upper"},
                "y2": {"scale": "price", "field": "lower"},
                "fill": {"value": BLUE},
                "fillOpacity": {"value": 0.12},
            }
        },
    }
    return [area, line("upper", BLUE), line("lower", BLUE), line("middle", AMBER)]


def _candles() -> list[Json]:
    color = {"scale": "color", "field": "up"}
    tooltip = (
        "{Start: utcFormat(datum.start, '%Y-%m-%d %H:%M:%S'), Open: datum.open,"
        " High: datum.high, Low: datum.low, Close: datum.close, Turnover: datum.turnover}"
    )
    wick = {
        "x": {"scale": "x", "field": "start"},
        "y": {"scale": "price", "field": "low"},
        "y2": {"scale": "price", "field": "high"},
        "stroke": color,
    }
    body = {
        "xc": {"scale": "x", "field": "start"},
        "width": {"signal": "barWidth"},
        "y": {"scale": "price", "signal": "max(datum.open, datum.close)"},
        # A candle that closes where it opened is a line, not nothing.
        "height": {
            "signal": "max(1, abs(scale('price', datum.open) - scale('price', datum.close)))"
        },
        "fill": color,
        "tooltip": {"signal": tooltip},
    }
    return [
        {"type": "rule", "from": {"data": "candles"}, "encode": {"update": wick}},
        {"type": "rect", "from": {"data": "candles"}, "encode": {"update": body}},
    ]


def _volume() -> Json:
    bar = {
        "xc": {"scale": "x", "field": "start"},
        "width": {"signal": "barWidth"},
        "y": {"scale": "volume", "field": "turnover"},
        "y2": {"scale": "volume", "value": 0},
        "fill": {"scale": "color", "field": "up"},
        "fillOpacity": {"value": 0.6},
    }
    return {"type": "rect", "from": {"data": "candles"}, "encode": {"update": bar}}


def _texts() -> list[Json]:
    said = "some ? shown.symbol + ' · ' + shown.interval : 'No candles in this time range'"
    text = {
        "x": {"value": 4},
        "y": {"value": 14},
        "text": {"signal": said},
        "fontSize": {"value": 13},
        "fontWeight": {"value": "bold"},
        "fill": {"value": BLUE},
    }
    return [{"type": "text", "encode": {"update": text}}]
