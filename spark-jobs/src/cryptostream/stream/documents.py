"""Documents as NDJSON bulk lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.contracts.indices import Kind, candle_id, index_name
from cryptostream.contracts.messages import Alert, DeadLetter, Gap, encode
from cryptostream.contracts.trade import Origin, Side, check_time

if TYPE_CHECKING:
    from cryptostream.stream.engine import CandleUpdate, Features
    from cryptostream.stream.predictor import Prediction
    from cryptostream.stream.records import Record

#: Elasticsearch refuses a whole bulk for one longer id.
MAX_ID_BYTES: Final = 512
#: An update reads what it changes; another write in between makes Elasticsearch begin again.
UPDATE_TRIES: Final = 3


_DAY_MS: Final = 86_400_000
_DAYS: Final = 1_000
_ENCODE: Final = msgspec.json.Encoder().encode


class TradeDocument(msgspec.Struct, gc=False):
    """A trade's document, its fields as in the `trades` mapping.

    A struct, since msgspec writes one in a third of the time that a dict of its fields takes.
    """

    exchange: str
    category: str
    symbol: str
    trade_id: str
    side: Side
    trade_time: int
    exchange_time: int
    ingest_time: int
    seq: int
    block_trade: bool
    rpi: bool
    origin: Origin
    shard: str
    v: int
    price: float
    size: float
    notional: float
    kafka_time: int
    stream_time: int
    prediction: Mapping[str, Any]
    features: Sequence[float] | UnsetType
    warm: bool | UnsetType
    features_hash: str | UnsetType


class Action(NamedTuple):
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
    vector, warm = (UNSET, UNSET) if features is None else features
    document = TradeDocument(
        trade.exchange, trade.category, trade.symbol, trade.trade_id, trade.side,
        trade.trade_time, trade.exchange_time, trade.ingest_time, trade.seq, trade.block_trade,
        trade.rpi, trade.origin, trade.shard, trade.v, record.price, record.size,
        record.price * record.size, record.kafka_time, stream_time, prediction.document(),
        vector, warm, UNSET if features is None else FEATURES_HASH,
    )  # fmt: skip
    # The contract holds every part of an id to characters that JSON need not escape.
    header = b'{"create":{"_index":"%b","_id":"%b"}}\n' % (
        _trades_index(trade.trade_time // _DAY_MS), record.identity.encode(),
    )  # fmt: skip
    return Action(header, _ENCODE(document) + b"\n")


@lru_cache(maxsize=_DAYS)
def _trades_index(day: int) -> bytes:
    """Name the index of a day since the epoch; naming it for every trade would show."""
    return index_name("trades", day * _DAY_MS).encode()


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
