"""Documents as the stream writes them, for tests of what reads Elasticsearch."""

from __future__ import annotations

import json
import random
import time
from dataclasses import dataclass, field
from typing import Any

import httpx

from cryptostream.contracts.indices import candle_id, index_name, trade_id

EXCHANGE, CATEGORY = "bybit", "spot"
MODEL = "direction-forest:k3v7xq2m"
HOPS_MS = (12, 18, 9, 95)


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def trade(symbol: str, number: int, time_ms: int, **changes: Any) -> dict[str, Any]:
    """Make a trade's document; `changes` replace or add fields."""
    exchange, ingest, kafka, stream = HOPS_MS
    made = {
        "exchange": EXCHANGE,
        "category": CATEGORY,
        "symbol": symbol,
        "trade_id": f"t{number}",
        "price": 100.0,
        "size": 1.0,
        "side": "buy",
        "trade_time": time_ms,
        "exchange_time": time_ms + exchange,
        "ingest_time": time_ms + exchange + ingest,
        "kafka_time": time_ms + exchange + ingest + kafka,
        "stream_time": time_ms + exchange + ingest + kafka + stream,
        "seq": number,
        "block_trade": False,
        "rpi": False,
        "origin": "live",
        "shard": "0/1",
        "warm": True,
        "prediction": {"direction": "up", "p_up": 0.56, "model": MODEL, "no_edge": True},
        "v": 1,
    }
    return made | {"notional": made["price"] * made["size"]} | changes  # type: ignore[operator]


def candle(symbol: str, interval: str, start_ms: int, **changes: Any) -> dict[str, Any]:
    """Make a candle's document; `changes` replace fields."""
    return {
        "exchange": EXCHANGE,
        "category": CATEGORY,
        "symbol": symbol,
        "interval": interval,
        "start": start_ms,
        "open": 100.0,
        "high": 101.0,
        "low": 99.0,
        "close": 100.5,
        "volume": 10.0,
        "turnover": 1_005.0,
        "vwap": 100.5,
        "trades": 7,
        "buy_volume": 6.0,
        "sell_volume": 4.0,
        "v": 1,
    } | changes


def place(document: dict[str, Any]) -> tuple[str, str]:
    """Name the index and the id of a document."""
    who = (document["exchange"], document["category"], document["symbol"])
    if "interval" in document:
        name = index_name("candles", document["start"])
        return name, candle_id(*who, document["interval"], document["start"])
    return index_name("trades", document["trade_time"]), trade_id(*who, document["trade_id"])


def write(url: str, documents: list[dict[str, Any]], *, refresh: bool = True) -> None:
    """Write documents in one bulk; fail unless each is accepted."""
    lines = []
    for one in documents:
        index, identity = place(one)
        lines += [json.dumps({"index": {"_index": index, "_id": identity}}), json.dumps(one)]
    answer = httpx.post(
        f"{url}/_bulk",
        params={"refresh": str(refresh).lower()},
        content="\n".join(lines) + "\n",
        headers={"Content-Type": "application/x-ndjson"},
        timeout=30,
    ).json()
    failed = [item for item in answer["items"] if item["index"]["status"] >= 300]
    assert not failed, failed[:3]


@dataclass
class SyntheticMarket:
    """A seeded random walk per symbol that makes trades and keeps their candles."""

    prices: dict[str, float]
    seed: int = 1
    number: int = 0
    candles: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Seed the walk."""
        self.random = random.Random(self.seed)
        self.side = "buy"

    def trades(self, symbol: str, times: list[int]) -> list[dict[str, Any]]:
        """Make a trade at each time, and take it into the candles."""
        return [self._trade(symbol, time_ms) for time_ms in times]

    def _trade(self, symbol: str, time_ms: int) -> dict[str, Any]:
        draw = self.random
        self.number += 1
        self.side = self.side if draw.random() < 0.75 else {"buy": "sell"}.get(self.side, "buy")
        step = abs(draw.gauss(0, 0.00006)) * (1 if self.side == "buy" else -1)
        price = round(self.prices[symbol] * (1 + step), 2 if self.prices[symbol] > 50 else 4)
        self.prices[symbol] = price
        p_up = round(min(0.95, max(0.05, draw.gauss(0.5, 0.09))), 4)
        said = {"p_up": p_up, "direction": "up" if p_up >= 0.5 else "down"}
        jitter = [value * draw.lognormvariate(0, 0.35) for value in HOPS_MS]
        clocks = [time_ms + round(sum(jitter[: count + 1])) for count in range(4)]
        made = trade(
            symbol,
            self.number,
            time_ms,
            price=price,
            size=round(draw.lognormvariate(-2, 1.3) * 50_000 / price / 10, 5),
            side=self.side,
            prediction=said | {"model": MODEL, "no_edge": True},
            **dict(
                zip(
                    ("exchange_time", "ingest_time", "kafka_time", "stream_time"),
                    clocks,
                    strict=True,
                )
            ),
        )
        self._count(made)
        return made

    def _count(self, made: dict[str, Any]) -> None:
        for interval, length in (("1s", 1_000), ("1m", 60_000)):
            start = made["trade_time"] // length * length
            key = (made["symbol"], interval, start)
            self.candles[key] = _added(self.candles.get(key), made, interval, start)

    def candles_since(self, start_ms: int) -> list[dict[str, Any]]:
        """Give the candles that were open at `start_ms` or later."""
        length = {"1s": 1_000, "1m": 60_000}
        return [
            one
            for (_, interval, start), one in self.candles.items()
            if start + length[interval] > start_ms
        ]


def _added(
    before: dict[str, Any] | None, made: dict[str, Any], interval: str, start: int
) -> dict[str, Any]:
    """Give the candle with one more trade in it."""
    price, size = made["price"], made["size"]
    old = before or candle(
        made["symbol"], interval, start, open=price, high=price, low=price, volume=0.0,
        turnover=0.0, trades=0, buy_volume=0.0, sell_volume=0.0,
    )  # fmt: skip
    volume, turnover = old["volume"] + size, old["turnover"] + size * price
    side = f"{made['side']}_volume"
    return old | {
        "high": max(old["high"], price),
        "low": min(old["low"], price),
        "close": price,
        "volume": volume,
        "turnover": turnover,
        "vwap": turnover / volume,
        "trades": old["trades"] + 1,
        side: old[side] + size,
    }
