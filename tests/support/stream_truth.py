"""What the stream must have made of trades: their documents, candles and features, naively."""

from __future__ import annotations

import random
from collections import defaultdict
from itertools import pairwise
from math import log, sqrt
from typing import TYPE_CHECKING, Any

import pytest
from elasticsearch.helpers import scan
from support.eventually import eventually

from cryptostream.contracts.features import initial_state, step
from cryptostream.contracts.mappings import INDICATORS
from cryptostream.contracts.messages import INTERVAL_MS
from cryptostream.contracts.trade import Trade

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch import Elasticsearch

START = 1_795_000_000_000 - 1_795_000_000_000 % 60_000
SEED = 20261122
#: The default of `STREAM_LATENESS_SECONDS`.
LATENESS_MS = 2_000


def make_trades(exchange: str, count: int, *, seed: int = SEED) -> list[Trade]:
    """Make an orderly tape of three symbols over about two minutes; some share a millisecond."""
    rng = random.Random(seed)
    time_ms, prices, tape = START, {"AUSDT": 100.0, "BUSDT": 7.0, "CUSDT": 0.05}, []
    for number in range(count):
        time_ms += rng.choice([0, 0, 1, 120_000 // count * 2])
        symbol = rng.choice(list(prices))
        prices[symbol] *= 1 + rng.gauss(0, 1e-4)
        tape.append(
            Trade(
                exchange=exchange,
                category="spot",
                symbol=symbol,
                trade_id=f"{number:08d}",
                price=f"{prices[symbol]:.6f}",
                size=f"{rng.uniform(0.001, 3):.4f}",
                side=rng.choice(["buy", "sell"]),
                trade_time=time_ms,
                exchange_time=time_ms + 2,
                ingest_time=time_ms + 3,
                seq=number,
                block_trade=False,
                rpi=False,
                origin="replay",
                shard="0/1",
            )
        )
    return tape


def documents(client: Elasticsearch, kind: str, exchange: str) -> dict[str, dict[str, Any]]:
    """Give all documents of an exchange by id; fails if an id stands in two indices."""
    client.indices.refresh(index=f"crypto-{kind}-*")
    found = {}
    query = {"query": {"term": {"exchange": exchange}}}
    for hit in scan(client, index=f"crypto-{kind}-*", query=query):
        assert hit["_id"] not in found, f"{hit['_id']} is there twice"
        found[hit["_id"]] = hit["_source"]
    return found


def ids(trades: Sequence[Trade]) -> set[str]:
    """Give the documents' ids of trades."""
    return {f"{t.exchange}:{t.category}:{t.symbol}:{t.trade_id}" for t in trades}


def expected_candles(trades: Sequence[Trade]) -> dict[str, dict[str, float]]:
    """Compute candles the plain way, from trades in order."""
    groups: dict[str, list[Trade]] = defaultdict(list)
    for trade in trades:
        for name, length in INTERVAL_MS.items():
            start = trade.trade_time // length * length
            groups[f"{trade.exchange}:spot:{trade.symbol}:{name}:{start}"].append(trade)
    return {identity: _candle(group) for identity, group in groups.items()}


def _candle(group: Sequence[Trade]) -> dict[str, float]:
    prices = [float(trade.price) for trade in group]
    sizes = [float(trade.size) for trade in group]
    bought = [float(trade.size) for trade in group if trade.side == "buy"]
    turnover = sum(price * size for price, size in zip(prices, sizes, strict=True))
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": sum(sizes),
        "turnover": turnover,
        "vwap": turnover / sum(sizes),
        "trades": len(group),
        "buy_volume": sum(bought),
        "sell_volume": sum(sizes) - sum(bought),
        "ofi": 2 * sum(bought) / sum(sizes) - 1,
        "volatility": sqrt(sum(log(b / a) ** 2 for a, b in pairwise(prices))),
    }


def check_candles(client: Elasticsearch, trades: Sequence[Trade]) -> None:
    """Wait until every candle of all five intervals says what its trades say."""
    exchange, expected = trades[0].exchange, expected_candles(trades)

    def wrong() -> dict[str, Any]:
        found = documents(client, "candles", exchange)
        assert found.keys() <= expected.keys()
        return {
            identity: found.get(identity)
            for identity, values in expected.items()
            if {name: found.get(identity, {}).get(name) for name in values}
            != pytest.approx(values, rel=1e-9, abs=1e-12)
        }

    eventually(lambda: not wrong(), within=60, poll=0.5)
    newest = max(trade.trade_time for trade in trades) - LATENESS_MS
    for identity, candle in documents(client, "candles", exchange).items():
        ended = candle["start"] + INTERVAL_MS[candle["interval"]] <= newest
        assert (candle["final"], candle["late"]) == (ended, 0), identity
        assert candle["warm"] is False or len(candle["indicators"]) == len(INDICATORS)


def expected_features(trades: Sequence[Trade]) -> dict[str, list[float]]:
    """Replay the feature function over trades in order."""
    states: dict[str, list[float]] = defaultdict(initial_state)
    return {
        f"{t.exchange}:spot:{t.symbol}:{t.trade_id}": step(
            states[t.symbol],
            t.trade_time,
            float(t.price),
            float(t.size),
            1 if t.side == "buy" else -1,
        )
        for t in trades
    }
