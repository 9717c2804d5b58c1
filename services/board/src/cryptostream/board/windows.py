"""Sliding windows over what was just seen. Pure: the clock is an argument, in milliseconds."""

from __future__ import annotations

import itertools
from collections import deque
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from cryptostream.board.model import HOPS, TradeDocument

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Beyond it the oldest leave early; 60 s of one symbol at 2,000 trades/s.
MAX_PRESSURE_TRADES: Final = 120_000
PRESSURE_SECONDS: Final = (10, 60)
LATENCY_WINDOW_MS: Final = 10_000
MAX_LATENCY_SAMPLES: Final = 10_000
#: A longer way is a recording being replayed, not a delay.
MAX_LATENCY_MS: Final = 600_000


class Amounts(NamedTuple):
    """Taker volumes in base units."""

    buy: float
    sell: float


class Pressure:
    """What takers bought and sold of one symbol in the last seconds, by match time."""

    def __init__(self) -> None:
        self._trades: deque[tuple[int, float]] = deque(maxlen=MAX_PRESSURE_TRADES)
        self._newest = 0

    def add(self, time_ms: int, size: float, side: str) -> None:
        """Take a trade in."""
        self._trades.append((time_ms, size if side == "buy" else -size))
        self._newest = max(self._newest, time_ms)
        self._forget(self._newest)

    def reference(self, now_ms: int) -> int:
        """Give the end of the windows: now for a live market, else the newest trade."""
        live = abs(now_ms - self._newest) <= 2 * PRESSURE_SECONDS[-1] * 1000
        return max(now_ms, self._newest) if live else self._newest

    def amounts(self, now_ms: int) -> dict[int, Amounts]:
        """Give the volumes of each of `PRESSURE_SECONDS`."""
        end = self.reference(now_ms)
        self._forget(end)
        return {seconds: self._sum(end - seconds * 1000) for seconds in PRESSURE_SECONDS}

    def _forget(self, end: int) -> None:
        oldest = end - PRESSURE_SECONDS[-1] * 1000
        while self._trades and self._trades[0][0] <= oldest:
            self._trades.popleft()

    def _sum(self, after: int) -> Amounts:
        recent = [signed for time_ms, signed in self._trades if time_ms > after]
        return Amounts(
            buy=sum(signed for signed in recent if signed > 0),
            sell=-sum(signed for signed in recent if signed < 0),
        )


class Quantiles(NamedTuple):
    """Milliseconds."""

    p50: float
    p95: float


def quantile(ordered: Sequence[float], share: float) -> float:
    """Give the nearest-rank quantile of a sorted, non-empty sequence."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)]


def hop_times(trade: TradeDocument, seen_ms: int) -> tuple[float | None, ...]:
    """Give a trade's milliseconds per hop of `HOPS`, then in total; None where unknown."""
    clocks = (
        trade.trade_time,
        trade.exchange_time,
        trade.ingest_time,
        trade.kafka_time,
        trade.stream_time,
        seen_ms,
    )
    pairs = [*itertools.pairwise(clocks), (trade.trade_time, seen_ms)]
    return tuple(_between(before, after) for before, after in pairs)


def _between(before: int | None, after: int | None) -> float | None:
    if before is None or after is None or after - before > MAX_LATENCY_MS:
        return None
    return float(max(0, after - before))


class Latencies:
    """The way's milliseconds per hop, over the trades seen in the last `LATENCY_WINDOW_MS`."""

    def __init__(self) -> None:
        self._samples: deque[tuple[int, tuple[float | None, ...]]] = deque(
            maxlen=MAX_LATENCY_SAMPLES
        )

    def add(self, trade: TradeDocument, seen_ms: int) -> None:
        """Take in a trade that a search gave for the first time at `seen_ms`."""
        self._samples.append((seen_ms, hop_times(trade, seen_ms)))

    def quantiles(self, now_ms: int) -> dict[str, Quantiles]:
        """Give p50 and p95 of each hop and of `total`; hops without a sample are left out."""
        while self._samples and self._samples[0][0] <= now_ms - LATENCY_WINDOW_MS:
            self._samples.popleft()
        columns = zip(*(times for _, times in self._samples), strict=True)
        found = {}
        for name, column in zip((*HOPS, "total"), columns, strict=False):
            ordered = sorted(time for time in column if time is not None)
            if ordered:
                found[name] = Quantiles(quantile(ordered, 0.5), quantile(ordered, 0.95))
        return found


class Rate:
    """Trades per second over the last ten seconds of polls."""

    def __init__(self, started_ms: int) -> None:
        self._counts: deque[tuple[int, int]] = deque(maxlen=1_000)
        self._started_ms = started_ms

    def add(self, count: int, now_ms: int) -> None:
        """Take in how many trades a poll saw."""
        if count:
            self._counts.append((now_ms, count))

    def per_second(self, now_ms: int) -> float:
        """Give the rate; over a shorter time while the board is younger than the window."""
        while self._counts and self._counts[0][0] <= now_ms - LATENCY_WINDOW_MS:
            self._counts.popleft()
        span = min(LATENCY_WINDOW_MS, max(1_000, now_ms - self._started_ms))
        return sum(count for _, count in self._counts) * 1000 / span
