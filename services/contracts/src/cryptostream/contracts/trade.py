"""The trade: one fill on an exchange, as it travels through `bybit-trades` and its sisters."""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from cryptostream.contracts.errors import ContractError

TRADE_VERSION: Final = 1
#: Longer prices or sizes than any exchange quotes are hostile input, not numbers.
MAX_NUMBER_CHARS: Final = 40
#: Real prices and sizes lie far inside; ratios of such numbers stay finite as 32-bit floats,
#: which is what the features are stored and scored as.
MIN_NUMBER: Final = 1e-15
MAX_NUMBER: Final = 1e15
MAX_SHARD_CHARS: Final = 64
#: The largest integer that JSON readers on the JVM and Elasticsearch's `long` can hold.
MAX_SEQ: Final = 2**63 - 1
#: 2000-01-01 and 2100-01-01: a time outside is in another unit or garbage.
MIN_TIME_MS: Final = 946_684_800_000
MAX_TIME_MS: Final = 4_102_444_800_000

Side = Literal["buy", "sell"]
Origin = Literal["live", "stitched", "replay", "dump"]
Symbol = str


class Trade(msgspec.Struct, frozen=True, gc=False):
    """One fill. Kafka key: the symbol. Times are integer milliseconds since the epoch, UTC.

    Decoding leaves fields out that this version does not know, and refuses missing ones.

    Attributes:
        exchange: lower-case name of the exchange, such as `bybit`.
        category: the exchange's market type, such as `spot` or `linear`.
        symbol: the exchange's own symbol, such as `BTCUSDT`.
        trade_id: the exchange's id, unique within (exchange, category, symbol).
        price: quote units for one base unit, a decimal string exactly as the exchange sent it.
        size: base units, a decimal string exactly as the exchange sent it.
        side: the taker's side.
        trade_time: when the exchange matched it.
        exchange_time: when the exchange pushed it.
        ingest_time: when ingest received the frame.
        seq: the exchange's cross sequence; 0 where it has none.
        block_trade: negotiated off the book; kept out of labels.
        rpi: against retail-price-improvement liquidity.
        origin: `live` from the stream, `stitched` from REST, `replay` or `dump` from files.
        shard: name of the ingest shard that received it.
        v: version of this contract.
    """

    exchange: str
    category: str
    symbol: Symbol
    trade_id: str
    price: str
    size: str
    side: Side
    trade_time: int
    exchange_time: int
    ingest_time: int
    seq: int
    block_trade: bool
    rpi: bool
    origin: Origin
    shard: str
    v: int = TRADE_VERSION

    def __post_init__(self) -> None:
        """Hold every field to its contract; msgspec runs this after decoding too."""
        # One look at everything: a check per field would cost more than decoding the trade.
        text = (
            f"{self.exchange}:{self.category}:{self.symbol}:{self.trade_id}"
            f":{self.price}:{self.size}"
        )
        if not (
            _SOUND(text)
            and MIN_TIME_MS <= self.trade_time <= MAX_TIME_MS
            and MIN_TIME_MS <= self.exchange_time <= MAX_TIME_MS
            and MIN_TIME_MS <= self.ingest_time <= MAX_TIME_MS
            and 0 <= self.seq <= MAX_SEQ
            and len(self.shard) <= MAX_SHARD_CHARS
            and self.v == TRADE_VERSION
        ):
            self._check_each()

    def _check_each(self) -> None:
        """Name the field that breaks the contract, if one does: `_SOUND` asks for more."""
        check_identity(self.exchange, self.category, self.symbol, self.trade_id)
        check_number("price", self.price)
        check_number("size", self.size)
        check_time("trade_time", self.trade_time)
        check_time("exchange_time", self.exchange_time)
        check_time("ingest_time", self.ingest_time)
        if not 0 <= self.seq <= MAX_SEQ:
            raise ContractError("bad_seq", f"trade.seq was {self.seq}, must be in [0, 2^63)")
        if len(self.shard) > MAX_SHARD_CHARS:
            raise ContractError("bad_shard", f"trade.shard was {self.shard[:80]!r}, too long")
        if self.v != TRADE_VERSION:
            raise ContractError("bad_version", f"trade.v was {self.v}, must be {TRADE_VERSION}")


def check_identity(exchange: str, category: str, symbol: str, trade_id: str) -> None:
    """Raise `ContractError` unless the parts can be joined into a document id.

    Ids are put into bulk bodies without JSON escaping, so each part must be printable ASCII
    without quotes, backslashes, blanks and the separator.
    """
    for field, value in (
        ("exchange", exchange),
        ("category", category),
        ("symbol", symbol),
        ("trade_id", trade_id),
    ):
        if _PART.fullmatch(value) is None:
            raise ContractError(f"bad_{field}", f"trade.{field} was {value[:80]!r}")


def check_number(field: str, text: str) -> None:
    """Raise `ContractError` unless the text is a plain decimal in [MIN_NUMBER, MAX_NUMBER]."""
    if len(text) > MAX_NUMBER_CHARS or _DECIMAL.fullmatch(text) is None:
        raise ContractError(f"bad_{field}", f"trade.{field} was {text[:80]!r}, not a decimal")
    if not MIN_NUMBER <= float(text) <= MAX_NUMBER:
        raise ContractError(
            f"bad_{field}", f"trade.{field} was {text}, must be in [{MIN_NUMBER}, {MAX_NUMBER}]"
        )


def check_time(field: str, time_ms: int) -> None:
    """Raise `ContractError` unless the time is milliseconds within this century."""
    if not MIN_TIME_MS <= time_ms <= MAX_TIME_MS:
        raise ContractError(f"bad_{field}", f"trade.{field} was {time_ms}, not milliseconds")


_SAFE: Final = r"[A-Za-z0-9_.@+-]{1,64}"
_PART: Final = re.compile(_SAFE)
#: A number that can't but lie in [MIN_NUMBER, MAX_NUMBER]: at most 15 digits on either side of
#: the point, and one of them no zero. Others may be sound too; they are looked at one by one.
_USUAL: Final = r"(?=[0.]*[1-9])[0-9]{1,15}(?:\.[0-9]{1,15})?"
#: The separator is not among the parts' characters, so one match serves for all.
_SOUND: Final = re.compile(f"{_SAFE}:{_SAFE}:{_SAFE}:{_SAFE}:{_USUAL}:{_USUAL}").fullmatch
_DECIMAL: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?|\.[0-9]+")
_ENCODER: Final = msgspec.json.Encoder()
_DECODER: Final = msgspec.json.Decoder(Trade)


def encode_trade(trade: Trade) -> bytes:
    """Render the trade as the JSON that goes into Kafka."""
    return _ENCODER.encode(trade)


def decode_trade(raw: bytes) -> Trade:
    """Read a trade from Kafka's JSON; raises `ContractError` and nothing else."""
    try:
        return _DECODER.decode(raw)
    except ContractError:
        raise
    except (ValueError, RecursionError, ArithmeticError) as error:
        cause = error.__cause__
        if isinstance(cause, ContractError):
            raise cause from None
        raise ContractError("bad_trade", str(error)[:200]) from error
