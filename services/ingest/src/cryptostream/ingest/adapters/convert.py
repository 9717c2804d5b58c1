"""The exchanges' own trade records to the contract's trades. Pure.

ccxt parses prices into floats and leaves sides as each exchange means them, so its parsed trade
is passed over: what counts is `info`, the record as the exchange sent it. Prices and sizes stay
the exchange's own strings.

    Binance   `trade` stream: t id, p price, q quantity, T trade time, E event time, m whether the
              buyer is the maker (https://developers.binance.com/docs/binance-spot-api-docs)
    OKX       `trades` channel: tradeId, px, sz, side of the taker, ts, seqId, count; one record
              stands for the `count` matches of one taker order at one price, and bears the id of
              the last (https://www.okx.com/docs-v5/en/)
    Coinbase  `market_trades` channel: trade_id, price, size, time, side of the maker, as on all
              of its match feeds (https://docs.cdp.coinbase.com/exchange/websocket-feed/channels)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, TypeVar

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import Side, Trade

CATEGORY: Final = "spot"
SHARD: Final = "ccxt"
#: The longest id or count that is read as a number; the exchanges' have 10 to 13 digits.
_NUMBER: Final = re.compile(r"[0-9]{1,18}")
#: RFC 3339 with nanoseconds and an offset has 35 characters.
_MAX_TIME_CHARS: Final = 40
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: What msgspec, `int` and `datetime` raise for hostile input.
_DECODE_ERRORS: Final = (ValueError, RecursionError, ArithmeticError)


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an exchange: its trade, and its place among the ids of its symbol.

    Attributes:
        number: the trade id as a number.
        span: how many ids the record stands for; it covers `number - span + 1` to `number`.
    """

    trade: Trade
    number: int
    span: int = 1


class _Binance(msgspec.Struct, gc=False):
    s: str
    t: int
    p: str
    q: str
    m: bool
    T: int
    E: int


class _Okx(msgspec.Struct, gc=False, rename="camel"):
    inst_id: str
    trade_id: str
    px: str
    sz: str
    side: Literal["buy", "sell"]
    ts: str
    count: str = "1"
    seq_id: int = 0


class _Coinbase(msgspec.Struct, gc=False):
    product_id: str
    trade_id: str
    price: str
    size: str
    side: Literal["BUY", "SELL"]
    time: str


Item = TypeVar("Item", _Binance, _Okx, _Coinbase)
#: A maker that bought was hit by a taker that sold.
_TAKER_OF_MAKER: Final[dict[str, Side]] = {"BUY": "sell", "SELL": "buy"}


def from_binance(info: object, ingest_time: int) -> Record:
    """Read a record of Binance's `trade` stream; raises `ContractError`."""
    item = _typed(info, _Binance)
    trade = Trade(
        exchange="binance",
        category=CATEGORY,
        symbol=item.s,
        trade_id=str(item.t),
        price=item.p,
        size=item.q,
        # The buyer made the price: then the taker sold.
        side="sell" if item.m else "buy",
        trade_time=item.T,
        exchange_time=item.E,
        ingest_time=ingest_time,
        seq=0,
        block_trade=False,
        rpi=False,
        origin="live",
        shard=SHARD,
    )
    return Record(trade, _number("trade_id", trade.trade_id))


def from_okx(info: object, ingest_time: int) -> Record:
    """Read a record of OKX's `trades` channel; raises `ContractError`."""
    item = _typed(info, _Okx)
    time_ms = _number("trade_time", item.ts)
    trade = Trade(
        exchange="okx",
        category=CATEGORY,
        symbol=item.inst_id,
        trade_id=item.trade_id,
        price=item.px,
        size=item.sz,
        side=item.side,
        trade_time=time_ms,
        exchange_time=time_ms,
        ingest_time=ingest_time,
        seq=item.seq_id,
        block_trade=False,
        rpi=False,
        origin="live",
        shard=SHARD,
    )
    return Record(trade, _number("trade_id", item.trade_id), _number("count", item.count))


def from_coinbase(info: object, ingest_time: int) -> Record:
    """Read a record of Coinbase's `market_trades` channel; raises `ContractError`."""
    item = _typed(info, _Coinbase)
    time_ms = _time_ms(item.time)
    trade = Trade(
        exchange="coinbase",
        category=CATEGORY,
        symbol=item.product_id,
        trade_id=item.trade_id,
        price=item.price,
        size=item.size,
        side=_TAKER_OF_MAKER[item.side],
        trade_time=time_ms,
        exchange_time=time_ms,
        ingest_time=ingest_time,
        seq=0,
        block_trade=False,
        rpi=False,
        origin="live",
        shard=SHARD,
    )
    return Record(trade, _number("trade_id", item.trade_id))


def _typed(info: object, kind: type[Item]) -> Item:
    try:
        return msgspec.convert(info, kind)
    except _DECODE_ERRORS as error:
        raise ContractError("bad_trade", str(error)[:200]) from error


def _number(field: str, text: str) -> int:
    if _NUMBER.fullmatch(text) is None:
        raise ContractError(f"bad_{field}", f"trade.{field} was {text[:80]!r}, not a number")
    return int(text)


def _time_ms(text: str) -> int:
    """Read an RFC 3339 time, cut to milliseconds."""
    try:
        if len(text) > _MAX_TIME_CHARS:
            raise ValueError("too long")
        # Without an offset the difference raises TypeError.
        return (datetime.fromisoformat(text) - _EPOCH) // _MILLISECOND
    except (*_DECODE_ERRORS, TypeError) as error:
        detail = f"trade.trade_time was {text[:80]!r}: {error}"
        raise ContractError("bad_trade_time", detail) from error
