"""Documents as NDJSON bulk lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.contracts.indices import candle_id, index_name, trade_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.stream.predictor import Prediction

_COPIED: Final = (
    "exchange", "category", "symbol", "trade_id", "price", "size", "side",
    "trade_time", "exchange_time", "ingest_time", "kafka_time",
    "seq", "block_trade", "rpi", "origin", "shard", "v",
)  # fmt: skip
_CANDLE: Final = (
    "exchange", "category", "symbol", "interval", "start", "open", "high", "low", "close",
    "volume", "turnover", "trades", "buy_volume", "sell_volume",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Action:
    """One bulk action: the action line and the document line, both ending in a newline."""

    header: bytes
    body: bytes

    @property
    def size(self) -> int:
        """Bytes it adds to a bulk request."""
        return len(self.header) + len(self.body)


def trade_action(
    row: Mapping[str, Any],
    features: tuple[list[float], bool] | None,
    prediction: Prediction,
    *,
    stream_time: int,
) -> Action:
    """Create a trade's document; a repeated trade meets its own id and changes nothing."""
    document = {name: row[name] for name in _COPIED}
    document["notional"] = row["price"] * row["size"]
    document["stream_time"] = stream_time
    document["prediction"] = prediction.document()
    if features is not None:
        document["features"], document["warm"] = features
        document["features_hash"] = FEATURES_HASH
    identity = trade_id(row["exchange"], row["category"], row["symbol"], row["trade_id"])
    return _action("create", index_name("trades", row["trade_time"]), identity, document)


def candle_action(row: Mapping[str, Any]) -> Action:
    """Write a candle's document whole, over its earlier state. `start` is epoch milliseconds."""
    document = {name: row[name] for name in _CANDLE}
    document["vwap"] = row["turnover"] / row["volume"]
    document["v"] = 1
    identity = candle_id(
        row["exchange"], row["category"], row["symbol"], row["interval"], row["start"]
    )
    return _action("index", index_name("candles", row["start"]), identity, document)


def _action(kind: str, index: str, identity: str, document: dict[str, Any]) -> Action:
    header = orjson.dumps({kind: {"_index": index, "_id": identity}}) + b"\n"
    return Action(header, orjson.dumps(document) + b"\n")
