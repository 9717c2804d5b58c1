"""Trades for the tests of gaps."""

from __future__ import annotations

from cryptostream.contracts.trade import Trade

NOW = 1_795_391_000_000


def live(symbol: str, number: int, time_ms: int, *, seq: int = 0) -> Trade:
    """Give a trade that came in at the moment of its match."""
    return Trade(
        exchange="bybit",
        category="spot",
        symbol=symbol,
        trade_id=str(number),
        price="1.5",
        size="2",
        side="buy",
        trade_time=time_ms,
        exchange_time=time_ms,
        ingest_time=time_ms,
        seq=seq,
        block_trade=False,
        rpi=False,
        origin="live",
        shard="0/1",
    )
