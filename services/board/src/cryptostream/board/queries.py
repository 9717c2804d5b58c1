"""Request bodies for Elasticsearch. Pure.

What is new is found by `_seq_no`, the number each index gives to every write. It is cheap (a
range over an indexed number), it catches candles that are updated in place, and it can't miss a
document that arrives late in event time. It asks that an index has one shard, as the contract's
templates say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptostream.board.model import DRAWN, SECONDS, ChartInterval

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.board.instruments import Instrument
    from cryptostream.board.params import TradeFilter

Body = dict[str, Any]
#: One answer; Elasticsearch refuses more than 10,000 hits.
PAGE: Final = 5_000
MAX_INDICES: Final = 800
MAX_SYMBOLS: Final = 2_000
DAY_MS: Final = 86_400_000
TIMEOUT: Final = "3s"
#: One bucket per instrument; `multi_terms` would need a module that small distributions lack.
EACH_INSTRUMENT: Final[Body] = {
    "composite": {
        "size": MAX_SYMBOLS,
        "sources": [
            {name: {"terms": {"field": name}}} for name in ("exchange", "category", "symbol")
        ],
    }
}

TRADE_FIELDS: Final = (
    "exchange", "category", "symbol", "trade_id", "price", "size", "side",
    "trade_time", "exchange_time", "ingest_time", "kafka_time", "stream_time",
    "prediction.direction", "prediction.p_up", "prediction.model", "prediction.no_edge",
    "prediction.reason",
)  # fmt: skip
CANDLE_FIELDS: Final = (
    "exchange", "category", "symbol", "interval", "start", "open", "high", "low", "close",
    "volume", "trades", "buy_volume", "sell_volume", *(f"indicators.{name}" for name in DRAWN),
)  # fmt: skip


def tops_body() -> Body:
    """Ask for each index's highest `_seq_no`."""
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": TIMEOUT,
        "aggs": {
            "indices": {
                "terms": {"field": "_index", "size": MAX_INDICES},
                "aggs": {"top": {"max": {"field": "_seq_no"}}},
            }
        },
    }


def changes_body(floors: Mapping[str, int], fields: tuple[str, ...], size: int = PAGE) -> Body:
    """Ask for the documents written after each index's floor, and all of unknown indices."""
    known: list[Body] = [
        {"bool": {"filter": [{"term": {"_index": index}}, {"range": {"_seq_no": {"gt": floor}}}]}}
        for index, floor in sorted(floors.items())
    ]
    unknown: Body = {"bool": {"must_not": [{"terms": {"_index": sorted(floors)}}]}}
    return {
        "size": size,
        "track_total_hits": False,
        "timeout": TIMEOUT,
        "_source": list(fields),
        "query": {"bool": {"filter": [{"bool": {"should": [*known, unknown]}}]}},
        "sort": [{"_seq_no": {"order": "asc", "unmapped_type": "long"}}],
    }


def trades_body(instrument: Instrument, limit: int, until: int | None, kept: TradeFilter) -> Body:
    """Ask for an instrument's newest trades by match time, newest first.

    `until` (epoch milliseconds) leaves out what came later.
    """
    return {
        "size": limit,
        "track_total_hits": False,
        "timeout": TIMEOUT,
        "_source": list(TRADE_FIELDS),
        "query": {
            "bool": {
                "filter": [*instrument.filters(), *up_to("trade_time", until), *kept.filters()]
            }
        },
        "sort": [
            {"trade_time": {"order": "desc", "unmapped_type": "date"}},
            {"seq": {"order": "desc", "unmapped_type": "long"}},
        ],
    }


def candles_body(
    instrument: Instrument, interval: ChartInterval, minutes: int, until: int | None = None
) -> Body:
    """Ask for an instrument's newest candles, newest first, as many as `minutes` can hold."""
    interval_is: Body = {"term": {"interval": interval}}
    return {
        "size": minutes * 60 // SECONDS[interval],
        "track_total_hits": False,
        "timeout": TIMEOUT,
        "_source": list(CANDLE_FIELDS),
        "query": {"bool": {"filter": [*instrument.filters(), interval_is, *up_to("start", until)]}},
        "sort": [{"start": {"order": "desc", "unmapped_type": "date"}}],
    }


def up_to(field: str, until: int | None) -> list[Body]:
    """Give the filter that leaves out what came after `until`, if there is such a time."""
    if until is None:
        return []
    return [{"range": {field: {"lte": until, "format": "epoch_millis"}}}]


def newest_body() -> Body:
    """Ask when the newest 1-minute candle starts."""
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": TIMEOUT,
        "query": {"bool": {"filter": [{"term": {"interval": "1m"}}]}},
        "aggs": {"newest": {"max": {"field": "start"}}},
    }


def symbols_body(newest_ms: int) -> Body:
    """Ask for each instrument's first and last 1-minute candle in the day up to `newest_ms`."""
    return {
        "size": 0,
        "track_total_hits": False,
        "timeout": TIMEOUT,
        "query": {
            "bool": {
                "filter": [
                    {"term": {"interval": "1m"}},
                    {"range": {"start": {"gte": newest_ms - DAY_MS, "format": "epoch_millis"}}},
                ]
            }
        },
        "aggs": {
            "symbols": {
                **EACH_INSTRUMENT,
                "aggs": {
                    "first": _edge("asc", ["open", "start"]),
                    "last": _edge("desc", ["close"]),
                },
            }
        },
    }


def _edge(order: str, fields: list[str]) -> Body:
    return {"top_hits": {"size": 1, "sort": [{"start": order}], "_source": fields}}
