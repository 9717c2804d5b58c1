"""The trades that the topic is filled with."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

from confluent_kafka import Producer

from cryptostream.contracts.trade import Trade, encode_trade

if TYPE_CHECKING:
    from collections.abc import Iterator

SEED: Final = 20261123
#: The n-th symbol trades 1 / n ** `SKEW` as often as the first: of Bybit's 400 the ten busiest
#: make some 60 %.
SKEW: Final = 1.0
REFERENCE: Final = "BTCUSDT"
_QUEUE_MESSAGES: Final = 500_000


def tape(count: int, symbols: int, per_second: int, end_ms: int) -> Iterator[Trade]:
    """Make trades in order, `per_second` of them in a second of event time, ending at `end_ms`."""
    rng = random.Random(SEED)  # noqa: S311 - a benchmark's trades
    names = [REFERENCE, *(f"S{number:03d}USDT" for number in range(1, symbols))]
    weights = [1 / (rank + 1) ** SKEW for rank in range(symbols)]
    prices = [100.0 * rng.lognormvariate(0, 2) for _ in names]
    start_ms = end_ms - count * 1_000 // per_second
    chosen = rng.choices(range(symbols), weights, k=count)
    for number, which in enumerate(chosen):
        time_ms = start_ms + number * 1_000 // per_second
        prices[which] *= 1 + rng.gauss(0, 1e-4)
        yield Trade(
            exchange="bybit",
            category="spot",
            symbol=names[which],
            trade_id=f"{2290000000000000000 + number}",
            price=f"{prices[which]:.6f}",
            size=f"{rng.lognormvariate(-2, 1.5) + 1e-4:.4f}",
            side="buy" if rng.random() < 0.5 else "sell",  # noqa: PLR2004 - even odds
            trade_time=time_ms,
            exchange_time=time_ms + 2,
            ingest_time=time_ms + 3,
            seq=number,
            block_trade=False,
            rpi=False,
            origin="live",
            shard="0/1",
        )


def fill(bootstrap: str, topic: str, trades: Iterator[Trade]) -> None:
    """Write the trades at their own times, and wait for Kafka's word on the last."""
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "enable.idempotence": True,
            "linger.ms": 50,
            "compression.type": "lz4",
            "queue.buffering.max.messages": _QUEUE_MESSAGES,
        }
    )
    for trade in trades:
        key, value = trade.symbol.encode(), encode_trade(trade)
        while True:
            try:
                producer.produce(topic, value, key=key, timestamp=trade.trade_time)
                break
            except BufferError:
                producer.poll(0.1)
    if producer.flush(60):
        raise RuntimeError("Kafka did not take the tape")
