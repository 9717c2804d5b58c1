"""Elasticsearch: index names, document ids and templates.

One index per kind and event day, so an id always maps to the same index and a replay
overwrites itself. `dynamic: strict`: a field that nobody declared is a bug, not a new column.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final

from cryptostream.contracts.mappings import PROPERTIES, Kind

__all__ = [
    "CANDLES_INDICES",
    "DEFAULT_REFRESH",
    "PREFIX",
    "TRADES_INDICES",
    "Kind",
    "candle_id",
    "index_name",
    "index_templates",
    "trade_id",
]

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
        for kind, properties in PROPERTIES.items()
    }
