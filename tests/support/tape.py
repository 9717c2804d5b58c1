"""Seeded tapes of trades for the alert rules' tests: stationary, with shocks planted on demand."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING, Any

from support.trades import a_record

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptostream.contracts.messages import Alert
    from cryptostream.stream.records import Record
    from cryptostream.stream.watch import Watch

#: Begins a window of any length that divides a minute.
TAPE_MS = 1_795_392_000_000
KAFKA_DELAY_MS = 5


def tape(
    symbol: str, *, rate: float, seconds: float, seed: int = 1, start: float = 0.0
) -> list[Record]:
    """Make Poisson arrivals, log-normal sizes, a random walk of the price and persistent sides."""
    rng = random.Random(f"{symbol}/{seed}")
    at, price, side, records = start, 100.0, "buy", []
    while (at := at + rng.expovariate(rate)) < start + seconds:
        price *= math.exp(rng.gauss(0, 1e-4))
        side = side if rng.random() < 0.7 else "sell" if side == "buy" else "buy"
        records.append(trade(symbol, at, price, rng.lognormvariate(0, 1.4) * 10, side))
    return records


def trade(symbol: str, at: float, price: float, size: float, side: str = "buy") -> Record:
    """Make one trade, `at` seconds after the tape's beginning."""
    time_ms = TAPE_MS + int(at * 1000)
    changes: dict[str, Any] = {"trade_id": f"{symbol}{at:.6f}", "side": side}
    return a_record(
        symbol=symbol,
        price=f"{price:.8f}",
        size=f"{size:.8f}",
        trade_time=time_ms,
        kafka_time=time_ms + KAFKA_DELAY_MS,
        **changes,
    )


def merged(*tapes: Iterable[Record]) -> list[Record]:
    """Put tapes together in the order of Kafka's times; within a symbol nothing changes."""
    return sorted((one for part in tapes for one in part), key=lambda one: one.kafka_time)


def play(watch: Watch, records: Iterable[Record], *, batch_ms: int = 1_000) -> list[Alert]:
    """Let a watch see records in batches of so much time, as the stream does."""
    told: list[Alert] = []
    for batch in batches(records, batch_ms):
        for record in batch:
            watch.trade(record, None)
        told += watch.due(batch[-1].kafka_time)
    return told


def batches(records: Iterable[Record], batch_ms: int) -> list[list[Record]]:
    """Cut records that are sorted by Kafka's time."""
    cut: dict[int, list[Record]] = {}
    for record in records:
        cut.setdefault(record.kafka_time // batch_ms, []).append(record)
    return list(cut.values())
