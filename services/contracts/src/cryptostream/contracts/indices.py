"""Elasticsearch: index names, document ids and templates.

One index per kind and event day, so an id always maps to the same index and a replay
overwrites itself. `dynamic: strict`: a field that nobody declared is a bug, not a new column.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal

Kind = Literal["trades", "candles", "alerts", "gaps", "dead-letters", "truth"]
PREFIX: Final = "crypto"
TRADES_INDICES: Final = f"{PREFIX}-trades-*"
CANDLES_INDICES: Final = f"{PREFIX}-candles-*"
#: Half of it is the mean wait from written to searchable; 200 ms doubles the cost of merging.
DEFAULT_REFRESH: Final = "500ms"


def index_name(kind: Kind, time_ms: int) -> str:
    """Name the index of an event: `("trades", 1795305600000)` -> `crypto-trades-2026.11.22`."""
    return f"{PREFIX}-{kind}-{datetime.fromtimestamp(time_ms / 1000, UTC):%Y.%m.%d}"


def trade_id(exchange: str, category: str, symbol: str, exchange_id: str) -> str:
    """Identify a trade's document: `exchange:category:symbol:trade_id`."""
    return f"{exchange}:{category}:{symbol}:{exchange_id}"


def candle_id(exchange: str, category: str, symbol: str, interval: str, start_ms: int) -> str:
    """Identify a candle's document: `exchange:category:symbol:interval:start`."""
    return f"{exchange}:{category}:{symbol}:{interval}:{start_ms}"


_KEYWORD: Final = {"type": "keyword"}
_DATE: Final = {"type": "date", "format": "epoch_millis"}
_DOUBLE: Final = {"type": "double"}
_LONG: Final = {"type": "long"}
_BOOLEAN: Final = {"type": "boolean"}
#: Columns that are sorted and aggregated but hardly ever searched: half as dear to write. Times
#: (epoch milliseconds) that only serve to be subtracted are among them; a date costs more.
_DOUBLE_COLUMN: Final = {**_DOUBLE, "index": False}
_LONG_COLUMN: Final = {**_LONG, "index": False}
#: Kept in the source to the last digit, and nothing else.
_UNREAD: Final = {"type": "object", "enabled": False}
_STORED: Final = {"type": "keyword", "index": False, "doc_values": False}
_INSTRUMENT: Final = {"exchange": _KEYWORD, "category": _KEYWORD, "symbol": _KEYWORD}

_PROPERTIES: Final[dict[Kind, dict[str, Any]]] = {
    "trades": {
        **_INSTRUMENT,
        "trade_id": _KEYWORD,
        "price": _DOUBLE,
        "size": _DOUBLE_COLUMN,
        "notional": _DOUBLE_COLUMN,
        "side": _KEYWORD,
        "trade_time": _DATE,
        "exchange_time": _LONG_COLUMN,
        "ingest_time": _LONG_COLUMN,
        "kafka_time": _LONG_COLUMN,
        "stream_time": _LONG_COLUMN,
        "seq": _LONG_COLUMN,
        "block_trade": _BOOLEAN,
        "rpi": _BOOLEAN,
        "origin": _KEYWORD,
        "shard": _KEYWORD,
        "features": _UNREAD,
        "features_hash": _KEYWORD,
        "warm": _BOOLEAN,
        "prediction": {
            "properties": {
                "direction": _KEYWORD,
                "p_up": {"type": "float"},
                "model": _KEYWORD,
                "no_edge": _BOOLEAN,
                "latency_ms": {"type": "float", "index": False},
                "reason": _KEYWORD,
            }
        },
        "v": {"type": "byte", "index": False},
    },
    "candles": {
        **_INSTRUMENT,
        "interval": _KEYWORD,
        "start": _DATE,
        **dict.fromkeys(
            (
                "open",
                "high",
                "low",
                "close",
                "volume",
                "turnover",
                "vwap",
                "buy_volume",
                "sell_volume",
            ),
            _DOUBLE_COLUMN,
        ),
        "trades": _LONG_COLUMN,
        "v": {"type": "byte", "index": False},
    },
    "alerts": {
        **_INSTRUMENT,
        "alert_id": _KEYWORD,
        "rule": _KEYWORD,
        "severity": _KEYWORD,
        "time": _DATE,
        "value": _DOUBLE,
        "baseline": _DOUBLE,
        "threshold": _DOUBLE,
        "message": {"type": "text"},
        "evidence": {"type": "flattened"},
        "v": {"type": "byte"},
    },
    "gaps": {
        **_INSTRUMENT,
        "from_time": _DATE,
        "to_time": _DATE,
        "cause": _KEYWORD,
        "state": _KEYWORD,
        "shard": _KEYWORD,
        "gap_id": _KEYWORD,
        "repaired_from": _DATE,
        "stitched": _LONG,
        "recorded_time": _DATE,
        "v": {"type": "byte"},
    },
    "dead-letters": {
        "source": _KEYWORD,
        "component": _KEYWORD,
        "reason": _KEYWORD,
        "detail": {"type": "text"},
        "payload": _STORED,
        "encoding": _KEYWORD,
        "truncated": _BOOLEAN,
        "time": _DATE,
        "v": {"type": "byte"},
    },
    # What the audit found for one minute and one group of symbols.
    "truth": {
        "exchange": _KEYWORD,
        "category": _KEYWORD,
        "start": _DATE,
        "group": _KEYWORD,
        "measured": _DATE,
        **dict.fromkeys(("match", "quiet", "diverged", "miss", "extra"), _LONG),
        "share": _DOUBLE,
        "worst": {
            "properties": {
                "symbol": _KEYWORD,
                "result": _KEYWORD,
                "field": _KEYWORD,
                "divergence": _DOUBLE,
            }
        },
        "v": {"type": "byte", "index": False},
    },
}


def index_templates(*, replicas: int = 0, refresh: str = DEFAULT_REFRESH) -> dict[str, Any]:
    """Give every composable index template by name, ready for `PUT /_index_template/{name}`."""
    return {
        f"{PREFIX}-{kind}": {
            "index_patterns": [f"{PREFIX}-{kind}-*"],
            "priority": 200,
            "template": {
                "settings": {
                    "number_of_shards": 1,
                    "number_of_replicas": replicas,
                    "refresh_interval": refresh,
                },
                "mappings": {"dynamic": "strict", "properties": properties},
            },
        }
        for kind, properties in _PROPERTIES.items()
    }
