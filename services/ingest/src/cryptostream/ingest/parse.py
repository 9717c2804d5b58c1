"""Bybit's trade frames to the contract's trades. Pure.

A frame is `{"topic":"publicTrade.BTCUSDT","ts":ms,"type":"snapshot","data":[trade, ...]}`
(https://bybit-exchange.github.io/docs/v5/websocket/public/trade). Spot sends no tick direction
`L`; `BT`, `RPI` and `seq` came later and are missing in old recordings; fields that we don't
know are passed over, since the exchange adds some now and then.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import Origin, Side, Trade
from cryptostream.ingest.protocol import MAX_FRAME_BYTES, symbol_of


@dataclass(frozen=True, slots=True)
class Source:
    """Where frames come from: what every trade of a connection has in common."""

    exchange: str
    category: str
    shard: str
    origin: Origin = "live"


@dataclass(frozen=True, slots=True)
class Rejected:
    """Input that breaks its contract.

    The payload is a frame with the one bad trade, so that it can be driven through `parse_frame`
    again, or the whole frame where no trade could be made out.
    """

    payload: bytes
    error: ContractError


class _Item(msgspec.Struct, gc=False):
    i: str
    T: int
    p: str
    v: str
    S: Literal["Buy", "Sell"]
    s: str
    BT: bool = False
    RPI: bool = False
    seq: int = 0


class _Frame(msgspec.Struct, gc=False):
    topic: str
    ts: int
    data: list[_Item]


class _RawFrame(msgspec.Struct):
    """The envelope alone: its trades are decoded one by one."""

    topic: str
    ts: int
    data: list[msgspec.Raw]


_FRAME: Final = msgspec.json.Decoder(_Frame)
_RAW_FRAME: Final = msgspec.json.Decoder(_RawFrame)
_ITEM: Final = msgspec.json.Decoder(_Item)
_SIDES: Final[dict[str, Side]] = {"Buy": "buy", "Sell": "sell"}
#: What `Decimal`, `int` and a nested document raise is not all ValueError.
_DECODE_ERRORS: Final = (ValueError, RecursionError, ArithmeticError)

_NAMED_FIELD: Final = re.compile(r"(?:field `|\$\.)(\w+)")
_FIELDS: Final = {
    "i": "trade_id",
    "T": "trade_time",
    "p": "price",
    "v": "size",
    "S": "side",
    "s": "symbol",
    "BT": "block_trade",
    "RPI": "rpi",
    "seq": "seq",
}


def parse_frame(raw: bytes, source: Source, ingest_time: int) -> tuple[list[Trade], list[Rejected]]:
    """Read the trades of a frame, in its order, and what of it had to be rejected.

    Args:
        raw: the frame as received.
        source: what the frame's trades have in common.
        ingest_time: when the frame was received, epoch milliseconds.
    """
    if len(raw) > MAX_FRAME_BYTES:
        error = ContractError("frame_too_large", f"frame had {len(raw)} bytes")
        return [], [Rejected(raw, error)]
    try:
        frame = _FRAME.decode(raw)
        symbol = symbol_of(frame.topic)
        return _trades(frame.data, symbol, frame.ts, source, ingest_time), []
    except _DECODE_ERRORS:
        return _parse_one_by_one(raw, source, ingest_time)


def _trades(
    items: list[_Item], symbol: str, ts: int, source: Source, ingest_time: int
) -> list[Trade]:
    """Make trades of a frame's items; in the hot path, so without a call per trade."""
    exchange, category = source.exchange, source.category
    origin, shard = source.origin, source.shard
    trades = []
    for item in items:
        if item.s != symbol:
            raise ContractError(
                "bad_symbol", f"trade.s was {item.s[:80]!r} in the topic of {symbol!r}"
            )
        # By position, in the order of the contract: half the price of keywords.
        trade = Trade(
            exchange,
            category,
            symbol,
            item.i,
            item.p,
            item.v,
            _SIDES[item.S],
            item.T,
            ts,
            ingest_time,
            item.seq,
            item.BT,
            item.RPI,
            origin,
            shard,
        )
        trades.append(trade)
    return trades


def _parse_one_by_one(
    raw: bytes, source: Source, ingest_time: int
) -> tuple[list[Trade], list[Rejected]]:
    """Read a frame that has something wrong in it and save what is right."""
    try:
        frame = _RAW_FRAME.decode(raw)
        symbol = symbol_of(frame.topic)
    except _DECODE_ERRORS as error:
        return [], [Rejected(raw, _named(error, "frame"))]
    trades: list[Trade] = []
    rejected: list[Rejected] = []
    for item in frame.data:
        try:
            trades += _trades([_ITEM.decode(item)], symbol, frame.ts, source, ingest_time)
        except _DECODE_ERRORS as error:
            alone = msgspec.json.encode(_RawFrame(frame.topic, frame.ts, [item]))
            rejected.append(Rejected(alone, _named(error, "trade")))
    return trades, rejected


def _named(error: Exception, part: Literal["frame", "trade"]) -> ContractError:
    """Turn a decoder's error into one that names the contract's field where it can."""
    if isinstance(error, ContractError):
        return error
    text = str(error)[:200]
    match = _NAMED_FIELD.search(text) if part == "trade" else None
    field = _FIELDS.get(match[1], part) if match else part
    return ContractError(f"bad_{field}", f"{part}: {text}")
