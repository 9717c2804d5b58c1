"""A market of the last hours, and what a history run must say of it, computed the plain way."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from math import log, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

from cryptostream.contracts.trade import Trade
from cryptostream.stream.rolling import MIN_CORRELATION_PAIRS, WINDOWS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MINUTE_MS = 60_000
STEP_MS = 10 * MINUTE_MS
#: Yesterday's records would be gone from Kafka; the future's are nobody's.
AGE_MS = 3 * 60 * MINUTE_MS
#: Data begin half an hour before the range, so that some windows are whole and some are not.
BEFORE_MS = 30 * MINUTE_MS
RANGE_MS = 40 * MINUTE_MS


def range_start() -> int:
    """Give the start of a range that ended a while ago, a whole number of steps since the epoch."""
    return (time.time_ns() // 1_000_000 - AGE_MS) // STEP_MS * STEP_MS


def make_past(exchange: str, symbols: Sequence[str], start_ms: int, count: int) -> list[Trade]:
    """Make trades in order of time, from before the range to after its end."""
    rng, prices = random.Random(5), dict.fromkeys(symbols, 100.0)
    times = sorted(
        rng.randrange(start_ms - BEFORE_MS, start_ms + RANGE_MS + STEP_MS) for _ in range(count)
    )
    tape = []
    for number, time_ms in enumerate(times):
        symbol = rng.choice(symbols)
        prices[symbol] *= 1 + rng.gauss(0, 1e-4)
        tape.append(
            Trade(
                exchange=exchange, category="spot", symbol=symbol, trade_id=f"{number:06d}",
                price=f"{prices[symbol]:.6f}", size=f"{rng.uniform(0.001, 3):.4f}",
                side=rng.choice(["buy", "sell"]), trade_time=time_ms, exchange_time=time_ms + 2,
                ingest_time=time_ms + 3, seq=number, block_trade=False, rpi=False,
                origin="replay", shard="0/1",
            )
        )  # fmt: skip
    return tape


def expected_history(
    trades: Sequence[Trade], start_ms: int, windows: Sequence[str], reference: str
) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Compute each symbol's statistics at each step of the range; keys are symbol, window, time.

    All moments lie on boundaries of every window's buckets, so a window is exactly as long as its
    name says.
    """
    known = [one for one in trades if one.trade_time < start_ms + RANGE_MS]
    tapes = {
        symbol: [(t.trade_time, float(t.price), float(t.size)) for t in known if t.symbol == symbol]
        for symbol in {one.symbol for one in known}
    }
    since = known[0].trade_time
    found = {}
    for symbol, tape in tapes.items():
        for window in windows:
            for now in range(start_ms + STEP_MS, start_ms + RANGE_MS + 1, STEP_MS):
                other = None if symbol == reference else tapes[reference]
                found[symbol, window, now] = _statistic(tape, other, window, now, since)
    return found


def _statistic(
    tape: Sequence[tuple[int, float, float]],
    other: Sequence[tuple[int, float, float]] | None,
    window: str,
    now: int,
    since: int,
) -> dict[str, Any]:
    length, count = WINDOWS[window]
    start = now - length * count
    inside = [one for one in tape if start <= one[0] < now]
    before = [price for time_ms, price, _ in tape if time_ms < start]
    closes = _closes(tape, length, start, now)
    path = [before[-1] if before else inside[0][1], *closes.values()]
    returns = [log(b / a) for a, b in pairwise(path)]
    covered = min(1.0, (now - since) / (now - start))
    return {
        "volume": sum(size for _, _, size in inside),
        "turnover": sum(price * size for _, price, size in inside),
        "trades": len(inside),
        "rate": len(inside) / ((now - start) / 1_000),
        "high": max(price for _, price, _ in inside),
        "low": min(price for _, price, _ in inside),
        "return_bps": (path[-1] / path[0] - 1) * 1e4,
        "volatility_bps": sqrt(sum(one * one for one in returns)) * 1e4,
        "coverage": covered,
        "warm": covered == 1.0,
        **({} if other is None else _correlation(closes, _closes(other, length, start, now))),
    }


def _closes(
    tape: Sequence[tuple[int, float, float]], length: int, start: int, now: int
) -> dict[int, float]:
    return {time_ms // length: price for time_ms, price, _ in tape if start <= time_ms < now}


def _correlation(ours: Mapping[int, float], theirs: Mapping[int, float]) -> dict[str, float]:
    common = sorted(ours.keys() & theirs.keys())
    if len(common) <= MIN_CORRELATION_PAIRS:
        return {}
    moves = [np.diff(np.log([closes[one] for one in common])) for closes in (ours, theirs)]
    return {"correlation": float(np.corrcoef(*moves)[0, 1])}
