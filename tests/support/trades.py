"""Trades and Kafka records for the stream's tests."""

from __future__ import annotations

from typing import Any

from cryptostream.contracts.trade import Trade
from cryptostream.stream.records import Record

TIME_MS = 1_795_391_999_999


def a_trade(**changes: Any) -> Trade:
    """Give a good trade, with the changes asked for."""
    fields: dict[str, Any] = {
        "exchange": "bybit",
        "category": "spot",
        "symbol": "BTCUSDT",
        "trade_id": "7",
        "price": "100.5",
        "size": "2",
        "side": "buy",
        "trade_time": TIME_MS,
        "exchange_time": TIME_MS + 2,
        "ingest_time": TIME_MS + 3,
        "seq": 9,
        "block_trade": False,
        "rpi": False,
        "origin": "live",
        "shard": "0/1",
    }
    return Trade(**{**fields, **changes})


def a_record(*, offset: int = 0, kafka_time: int = TIME_MS + 4, **changes: Any) -> Record:
    """Give a record of a trade, as the stream holds it."""
    trade = a_trade(**changes)
    identity = f"{trade.exchange}:{trade.category}:{trade.symbol}:{trade.trade_id}"
    return Record(identity, trade, float(trade.price), float(trade.size), kafka_time, 0, offset)
