"""Request bodies for a past range [begin, end) of one instrument. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptostream.board.queries import CANDLE_FIELDS, TIMEOUT, TRADE_FIELDS, Body

if TYPE_CHECKING:
    from cryptostream.board.instruments import Instrument
    from cryptostream.board.model import ChartInterval
    from cryptostream.board.params import TradeFilter

#: Documents of one page of an export.
EXPORT_PAGE: Final = 5_000
EXPORT_TIMEOUT: Final = "20s"
#: By what a kind is ordered; unique within an instrument, so that pages neither lose nor repeat.
ORDER: Final = {"candles": ("start",), "trades": ("trade_time", "seq", "trade_id")}
COLUMNS: Final = {"candles": CANDLE_FIELDS, "trades": (*TRADE_FIELDS, "notional", "seq")}


def _within(field: str, begin: int, end: int) -> Body:
    return {"range": {field: {"gte": begin, "lt": end, "format": "epoch_millis"}}}


def candle_filters(
    instrument: Instrument, interval: ChartInterval, begin: int, end: int
) -> list[Body]:
    """Give the filters of an interval's candles that start in the range."""
    return [
        *instrument.filters(),
        {"term": {"interval": interval}},
        _within("start", begin, end),
    ]


def trade_filters(instrument: Instrument, begin: int, end: int, kept: TradeFilter) -> list[Body]:
    """Give the filters of the trades matched in the range."""
    return [*instrument.filters(), _within("trade_time", begin, end), *kept.filters()]


def candles_body(filters: list[Body], size: int) -> Body:
    """Ask for the candles, oldest first, and their statistics."""
    sums = ("volume", "turnover", "trades", "buy_volume", "sell_volume")
    return {
        "size": size,
        "track_total_hits": True,
        "timeout": TIMEOUT,
        "_source": list(CANDLE_FIELDS),
        "query": {"bool": {"filter": filters}},
        "sort": [{"start": {"order": "asc", "unmapped_type": "date"}}],
        "aggs": {
            **{name: {"sum": {"field": name}} for name in sums},
            "high": {"max": {"field": "high"}},
            "low": {"min": {"field": "low"}},
            "first": {"top_hits": {"size": 1, "sort": [{"start": "asc"}], "_source": ["open"]}},
            "last": {"top_hits": {"size": 1, "sort": [{"start": "desc"}], "_source": ["close"]}},
        },
    }


def predictions_body(filters: list[Body]) -> Body:
    """Ask what the model said of the trades, in sums."""
    return {
        "size": 0,
        "track_total_hits": True,
        "timeout": TIMEOUT,
        "query": {"bool": {"filter": filters}},
        "aggs": {
            "scored": {"filter": {"exists": {"field": "prediction.p_up"}}},
            "mean": {"avg": {"field": "prediction.p_up"}},
            "directions": {"terms": {"field": "prediction.direction", "size": 5}},
            "models": {"terms": {"field": "prediction.model", "size": 10}},
            "reasons": {"terms": {"field": "prediction.reason", "size": 10}},
            "no_edge": {"filter": {"term": {"prediction.no_edge": True}}},
        },
    }


def count_body(filters: list[Body]) -> Body:
    """Ask how many documents there are."""
    return {
        "size": 0,
        "track_total_hits": True,
        "timeout": TIMEOUT,
        "query": {"bool": {"filter": filters}},
    }


def page_body(kind: str, filters: list[Body], after: list[Any] | None) -> Body:
    """Ask for a page of an export, oldest first; `after` is the last page's last `sort`."""
    body: Body = {
        "size": EXPORT_PAGE,
        "track_total_hits": False,
        "timeout": EXPORT_TIMEOUT,
        "_source": list(COLUMNS[kind]),
        "query": {"bool": {"filter": filters}},
        "sort": [{field: {"order": "asc", "unmapped_type": "long"}} for field in ORDER[kind]],
    }
    return body if after is None else body | {"search_after": after}
