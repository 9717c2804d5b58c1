"""Documents as NDJSON bulk lines. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import orjson

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.contracts.indices import Kind, candle_id, index_name
from cryptostream.contracts.messages import Alert, DeadLetter, Gap, encode
from cryptostream.contracts.trade import check_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.stream.engine import CandleUpdate, Features
    from cryptostream.stream.predictor import Prediction
    from cryptostream.stream.records import Record

_COPIED: Final = (
    "exchange", "category", "symbol", "trade_id", "side",
    "trade_time", "exchange_time", "ingest_time",
    "seq", "block_trade", "rpi", "origin", "shard", "v",
)  # fmt: skip
#: Elasticsearch refuses a whole bulk for one longer id.
MAX_ID_BYTES: Final = 512
#: An update reads what it changes; another write in between makes Elasticsearch begin again.
UPDATE_TRIES: Final = 3


@dataclass(frozen=True, slots=True)
class Action:
    """One bulk action: the action line and the document line, both ending in a newline."""

    header: bytes
    body: bytes

    @property
    def size(self) -> int:
        """Bytes it adds to a bulk request."""
        return len(self.header) + len(self.body)

    @property
    def is_create(self) -> bool:
        """Whether it writes a trade: those alone are created and never overwritten."""
        return self.header.startswith(b'{"create"')


def trade_action(
    record: Record, features: Features, prediction: Prediction, *, stream_time: int
) -> Action:
    """Create a trade's document; a repeated trade meets its own id and changes nothing."""
    trade = record.trade
    document: dict[str, Any] = {name: getattr(trade, name) for name in _COPIED}
    document["price"], document["size"] = record.price, record.size
    document["notional"] = record.price * record.size
    document["kafka_time"], document["stream_time"] = record.kafka_time, stream_time
    document["prediction"] = prediction.document()
    if features is not None:
        document["features"], document["warm"] = features
        document["features_hash"] = FEATURES_HASH
    return _action("create", index_name("trades", trade.trade_time), record.identity, document)


def candle_action(update: CandleUpdate) -> Action:
    """Write a candle's document whole over its earlier state, indicators included.

    Of a final candle that a late trade corrected only the candle's own fields are written.
    """
    one = update.candle
    identity = candle_id(one.exchange, one.category, one.symbol, one.interval, one.start)
    place = {"_index": index_name("candles", one.start), "_id": identity}
    fields = encode(one)
    if update.indicators is None:
        header = orjson.dumps({"update": place | {"retry_on_conflict": UPDATE_TRIES}}) + b"\n"
        return Action(header, b'{"doc":%b,"doc_as_upsert":true}\n' % fields)
    extra = orjson.dumps({"indicators": update.indicators, "warm": update.warm})
    return Action(orjson.dumps({"index": place}) + b"\n", b"%b,%b\n" % (fields[:-1], extra[1:]))


def rolling_action(row: Mapping[str, Any]) -> Action:
    """Write the statistics of one window: fields as in the `rolling` mapping."""
    parts = (row["exchange"], row["category"], row["symbol"], row["window"], str(row["time"]))
    return _action("index", index_name("rolling", row["time"]), ":".join(parts), dict(row))


def gap_action(gap: Gap) -> Action:
    """Write a gap's document whole; the last telling counts. Raises `ContractError`."""
    return _message_action("gaps", gap, gap.gap_id, gap.from_time)


def alert_action(alert: Alert) -> Action:
    """Write an alert's document; raises `ContractError`."""
    return _message_action("alerts", alert, alert.alert_id, alert.time)


def dead_letter_action(letter: DeadLetter, identity: str) -> Action:
    """Write a dead letter's document; its place in Kafka is its identity.

    Raises `ContractError`.
    """
    return _message_action("dead-letters", letter, identity, letter.time)


def _message_action(
    kind: Kind, message: Gap | Alert | DeadLetter, identity: str, time_ms: int
) -> Action:
    check_time("time", time_ms)
    if not 0 < len(identity.encode()) <= MAX_ID_BYTES:
        raise ContractError("bad_id", f"the id was {identity[:80]!r}, must have 1 to 512 bytes")
    header = orjson.dumps({"index": {"_index": index_name(kind, time_ms), "_id": identity}})
    return Action(header + b"\n", encode(message) + b"\n")


def _action(kind: str, index: str, identity: str, document: dict[str, Any]) -> Action:
    header = orjson.dumps({kind: {"_index": index, "_id": identity}}) + b"\n"
    return Action(header, orjson.dumps(document) + b"\n")
