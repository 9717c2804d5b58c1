"""The map of the market, as a Vega specification for Kibana: size by turnover, color by return."""

from __future__ import annotations

from typing import Final

from cryptostream.cli.dashboards.lens import BLUE, GREEN, GREY, RED, Json
from cryptostream.cli.dashboards.vega_candles import SCHEMA
from cryptostream.contracts.indices import PREFIX

MAX_SYMBOLS: Final = 80
_WINDOW: Final = "1h"


def spec() -> Json:
    """Make the specification."""
    return {
        "$schema": SCHEMA,
        "autosize": {"type": "fit", "contains": "padding"},
        "padding": 4,
        "config": {"kibana": {"hideWarnings": True}},
        "data": _data(),
        "signals": [
            {"name": "some", "update": "length(data('leaves')) > 0"},
            {"name": "limit", "update": "max(5, some ? data('strongest')[0].limit : 5)"},
        ],
        "scales": [
            {
                "name": "color",
                "type": "linear",
                "domain": [{"signal": "-limit"}, 0, {"signal": "limit"}],
                "range": [RED, GREY, GREEN],
                "clamp": True,
            }
        ],
        "legends": [
            {"fill": "color", "title": f"Return over {_WINDOW}, bps", "orient": "bottom",
             "direction": "horizontal", "gradientLength": 180}
        ],
        "marks": [_tiles(), _names(), _nothing()],
    }  # fmt: skip


def query() -> Json:
    """Make the search: the newest statistics of each symbol, those that turn over most."""
    newest = {
        "size": 1,
        "sort": [{"time": "desc"}],
        "_source": ["turnover", "return_bps", "time"],
    }
    return {
        "size": 0,
        "query": {
            "bool": {
                "filter": [
                    {"term": {"window": _WINDOW}},
                    {"range": {"time": {"%timefilter%": True}}},
                ]
            }
        },
        "aggs": {
            "symbols": {
                "terms": {"field": "symbol", "size": MAX_SYMBOLS, "order": {"turnover": "desc"}},
                "aggs": {
                    "turnover": {"max": {"field": "turnover"}},
                    "newest": {"top_hits": newest},
                },
            }
        },
    }


def _data() -> list[Json]:
    source = "newest.hits.hits[0]._source"
    return [
        {
            "name": "leaves",
            "url": {"index": f"{PREFIX}-rolling-*", "body": query()},
            "format": {"property": "aggregations.symbols.buckets"},
            "transform": [
                {
                    "type": "project",
                    "fields": ["key", f"{source}.turnover", f"{source}.return_bps"],
                    "as": ["symbol", "turnover", "return_bps"],
                },
                {"type": "formula", "as": "market", "expr": "'all'"},
                {"type": "formula", "as": "strength", "expr": "abs(datum.return_bps)"},
            ],
        },
        {
            "name": "strongest",
            "source": "leaves",
            "transform": [
                {"type": "aggregate", "ops": ["max"], "fields": ["strength"], "as": ["limit"]}
            ],
        },
        {
            "name": "tiles",
            "source": "leaves",
            "transform": [
                {"type": "nest", "keys": ["market"], "generate": True},
                {
                    "type": "treemap",
                    "field": "turnover",
                    "sort": {"field": "value", "order": "descending"},
                    "size": [{"signal": "width"}, {"signal": "height"}],
                    "paddingInner": 2,
                },
                {"type": "filter", "expr": "isValid(datum.symbol)"},
            ],
        },
    ]


def _tiles() -> Json:
    tooltip = (
        "{Symbol: datum.symbol, 'Return, bps': format(datum.return_bps, '.1f'),"
        " Turnover: format(datum.turnover, ',.0f')}"
    )
    tile = {
        "x": {"field": "x0"},
        "y": {"field": "y0"},
        "x2": {"field": "x1"},
        "y2": {"field": "y1"},
        "fill": {"scale": "color", "field": "return_bps"},
        "tooltip": {"signal": tooltip},
    }
    return {"type": "rect", "from": {"data": "tiles"}, "encode": {"update": tile}}


def _names() -> Json:
    said = "[datum.symbol, format(datum.return_bps, '+.1f')]"
    room = "datum.x1 - datum.x0 > 50 && datum.y1 - datum.y0 > 28"
    name = {
        "x": {"signal": "(datum.x0 + datum.x1) / 2"},
        "y": {"signal": "(datum.y0 + datum.y1) / 2 - 6"},
        "text": {"signal": f"{room} ? {said} : ''"},
        "align": {"value": "center"},
        "baseline": {"value": "middle"},
        "fontSize": {"value": 11},
        "fill": {"value": "#1a1c21"},
    }
    return {
        "type": "text",
        "from": {"data": "tiles"},
        "interactive": False,
        "encode": {"update": name},
    }


def _nothing() -> Json:
    text = {
        "x": {"value": 4},
        "y": {"value": 14},
        "text": {"signal": "some ? '' : 'No statistics in this time range'"},
        "fill": {"value": BLUE},
    }
    return {"type": "text", "encode": {"update": text}}
