"""Candles for tests: made from closes, random walks, or recorded trades."""

from __future__ import annotations

import csv
import gzip
import random
from typing import TYPE_CHECKING, Any

from cryptostream.contracts.messages import Candle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MINUTE_MS = 60_000
START_MS = 1_795_000_000_000 // MINUTE_MS * MINUTE_MS


def a_candle(number: int = 0, **changes: Any) -> Candle:
    """Give minute `number` of a quiet market, with the changes asked for."""
    fields: dict[str, Any] = {
        "exchange": "bybit",
        "category": "spot",
        "symbol": "BTCUSDT",
        "interval": "1m",
        "start": START_MS + number * MINUTE_MS,
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.0,
        "volume": 2.0,
        "turnover": 200.0,
        "vwap": 100.0,
        "trades": 4,
        "buy_volume": 1.0,
        "sell_volume": 1.0,
        "ofi": 0.0,
        "volatility": 0.0,
        "final": True,
        "late": 0,
    }
    return Candle(**{**fields, **changes})


def candles_of(tapes: Iterable[Sequence[tuple[float, float]]]) -> list[Candle]:
    """Make one candle from each tape of (price, size), minute after minute."""
    made = []
    for number, tape in enumerate(tapes):
        prices = [price for price, _ in tape]
        volume = sum(size for _, size in tape)
        turnover = sum(price * size for price, size in tape)
        made.append(
            a_candle(
                number,
                open=prices[0],
                high=max(prices),
                low=min(prices),
                close=prices[-1],
                volume=volume,
                turnover=turnover,
                vwap=turnover / volume,
                trades=len(tape),
            )
        )
    return made


def random_walk(count: int, *, seed: int, price: float = 100.0, step: float = 1e-3) -> list[Candle]:
    """Make candles of a few trades each whose price is a geometric random walk."""
    draw = random.Random(seed)
    tapes = []
    for _ in range(count):
        tape = []
        for _ in range(draw.randint(1, 8)):
            price *= 1.0 + draw.gauss(0.0, step)
            tape.append((price, draw.lognormvariate(0.0, 1.0)))
        tapes.append(tape)
    return candles_of(tapes)


def recorded(path: Path, interval_ms: int, limit: int) -> list[Candle]:
    """Make candles of a file of `id,timestamp_ms,price,volume,side` rows; at most `limit`."""
    tapes: dict[int, list[tuple[float, float]]] = {}
    with gzip.open(path, "rt", encoding="utf-8") as rows:
        for row in csv.DictReader(rows):
            number = int(row["timestamp_ms"]) // interval_ms
            if number not in tapes and len(tapes) == limit:
                break
            tapes.setdefault(number, []).append((float(row["price"]), float(row["volume"])))
    return candles_of(tapes.values())
