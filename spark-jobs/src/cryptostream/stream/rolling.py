"""Statistics of one symbol's trades over the last 5 minutes, hour and day. Pure.

Trades are folded into buckets, 30 of 10 s, 60 of 1 min and 144 of 10 min: a window ends now and
starts at a bucket's boundary, so it is up to one bucket shorter than its name, and exact when
it ends on a boundary. All of it, times of trades t: start <= t < the end of now's bucket.

A trade is late if it is older than the newest one of its symbol. It counts in volume, turnover,
trades, high and low of the bucket that its time belongs to, but sets no close: returns,
volatility and correlation see the prices in the order in which they were known. One from before
the longest window changes nothing.

volume          base units; turnover in quote units; trades their number.
rate            trades per second.
return_bps      last price / price in force at the start - 1, in 1/10,000. The price in force is
                the last one before the window, or the first one ever seen inside it.
volatility_bps  realised, 1e4 * sqrt of the sum of the squared log returns from bucket to bucket
                with trades; over the window as it is, not annualised (Andersen & Bollerslev 1998;
                buckets keep the bounce between bid and ask out of it).
correlation     Pearson's, of the log returns of two symbols between the buckets in which both
                have a close, so that each pair spans the same time; at least 10 pairs.
coverage        the share of the window that lies after the first trade seen; warm if it is all.
"""

from __future__ import annotations

from math import fsum, log, sqrt
from operator import mul, sub
from typing import Any, Final

from cryptostream.contracts.messages import MESSAGE_VERSION
from cryptostream.stream.buckets import (
    HIGH,
    LOW,
    TRADES,
    TURNOVER,
    VOLUME,
    Bucket,
    Ring,
    Window,
    bucket_of,
    merge,
)

#: Window -> length of a bucket in ms, and number of buckets; each length divides the next one.
WINDOWS: Final = {"5m": (10_000, 30), "1h": (60_000, 60), "24h": (600_000, 144)}
MIN_CORRELATION_PAIRS: Final = 10
_BPS: Final = 1e4
#: Log returns that differ by less are one return, told apart by rounding alone:
#: a logarithm of a price carries about 4e-15.
_SAME: Final = 1e-12
#: Each longer bucket holds a whole number of the finest ones.
FINEST_MS: Final = WINDOWS["5m"][0]
_LONGEST_MS: Final = max(length * count for length, count in WINDOWS.values())


class Rolling:
    """The windows of one symbol; at most 300 buckets, about 15 kB of state as MessagePack."""

    def __init__(self, state: dict[str, Any] | None = None, *, since_ms: int | None = None) -> None:
        """Start empty, or where `state` (of an earlier `state()`) left off.

        `since_ms` tells since when all trades are known to be given; without it that is the
        time of the first one.
        """
        self._rings = {name: Ring(*shape) for name, shape in WINDOWS.items()}
        self._since = since_ms
        self._first = 0.0
        #: The open bucket of the finest length: its trades are folded in when it is over.
        self._open: Bucket = []
        self._end = 0
        self._newest = 0
        self._folds = 0
        self._windows: dict[str, tuple[tuple[int, int, float], Window]] = {}
        if state is not None:
            self._restore(state)

    def add(self, time_ms: int, price: float, size: float, side: int) -> None:  # noqa: ARG002 - one signature with the features' step
        """Take one trade; most fall into the open bucket and cost under a microsecond.

        Args:
            time_ms: match time, epoch milliseconds.
            price: positive, quote units.
            size: positive, base units.
            side: +1 or -1; no statistic asks for it yet.
        """
        if not self._newest <= time_ms < self._end:
            self._turn(time_ms, price, size)
            return
        self._newest = time_ms
        bucket = self._open
        bucket[0] += 1.0
        bucket[1] += size
        bucket[2] += price * size
        if price > bucket[3]:
            bucket[3] = price
        elif price < bucket[4]:
            bucket[4] = price
        bucket[5] = price

    def statistics(self, now_ms: int, reference: Rolling | None) -> list[dict[str, Any]]:
        """Give one document a window, fields as in the `rolling` mapping, changing nothing.

        `now_ms` is the newest time of all symbols, epoch milliseconds: what lies a window behind
        this symbol's newest trade is forgotten.

        The instrument and the reference's name are the caller's to add. What is not known is
        left out: `return_bps` and `volatility_bps` before the first trade, `high` and `low`
        without a trade in the window, `correlation` without enough pairs that move.
        """
        return [self.statistic(name, now_ms, reference) for name in WINDOWS]

    def statistic(self, name: str, now_ms: int, reference: Rolling | None) -> dict[str, Any]:
        """Give the document of one window."""
        ring = self._rings[name]
        last = (now_ms - 1) // ring.length_ms
        start = (last - ring.count + 1) * ring.length_ms
        window = self._window(name, last)
        seconds = (now_ms - start) / 1000.0
        covered = 0.0
        if self._since is not None:
            covered = min(1.0, max(0.0, (now_ms - self._since) / (now_ms - start)))
        document = {
            "window": name,
            "time": now_ms,
            **_totals(window, seconds),
            **_moves(window, self._first),
            "coverage": covered,
            "warm": covered >= 1.0,
            "v": MESSAGE_VERSION,
        }
        if reference is not None:
            other = reference._window(name, last)  # noqa: SLF001 - another of its own kind
            pearson = correlation(window.logs, other.logs)
            if pearson is not None:
                document["correlation"] = pearson
        return document

    def state(self) -> dict[str, Any]:
        """Give all of it as JSON; `Rolling(state)` goes on bit for bit."""
        return {
            "since": self._since,
            "first": self._first,
            "newest": self._newest,
            "end": self._end,
            "open": list(self._open),
            "rings": {name: ring.state() for name, ring in self._rings.items()},
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self._since, self._first = state["since"], state["first"]
        self._newest, self._end, self._open = state["newest"], state["end"], list(state["open"])
        for name, saved in state["rings"].items():
            self._rings[name].restore(saved)

    def _turn(self, time_ms: int, price: float, size: float) -> None:
        """Take a trade that is late, or the first one of a bucket."""
        if time_ms < self._newest:
            self._take_late(time_ms, bucket_of(price, size, 0.0))
            return
        if self._since is None:
            self._since = time_ms
        self._first = self._first or price
        self._fold(self._end - FINEST_MS, self._open)
        self._open = bucket_of(price, size, price)
        self._end = (time_ms // FINEST_MS + 1) * FINEST_MS
        self._newest = time_ms

    def _take_late(self, time_ms: int, trade: Bucket) -> None:
        if time_ms >= self._end - FINEST_MS:
            merge(self._open, trade)
        elif time_ms > self._newest - _LONGEST_MS:
            self._fold(time_ms, trade)

    def _fold(self, time_ms: int, bucket: Bucket) -> None:
        self._folds += 1
        for ring in self._rings.values() if bucket else ():
            ring.fold(time_ms, bucket)
            ring.forget(self._newest)

    def _window(self, name: str, last: int) -> Window:
        """Give a window; kept until a trade comes, since every symbol asks the reference's."""
        key = (last, self._folds, self._open[0] if self._open else 0.0)
        kept = self._windows.get(name)
        if kept is None or kept[0] != key:
            opened = self._open or None
            kept = key, self._rings[name].window(last, self._end - FINEST_MS, opened)
            self._windows[name] = kept
        return kept[1]


def _totals(window: Window, seconds: float) -> dict[str, Any]:
    if not window.columns:
        return {"volume": 0.0, "turnover": 0.0, "trades": 0, "rate": 0.0}
    columns = window.columns
    trades = sum(columns[TRADES])
    return {
        "volume": fsum(columns[VOLUME]),
        "turnover": fsum(columns[TURNOVER]),
        "trades": int(trades),
        "rate": trades / seconds,
        "high": max(columns[HIGH]),
        "low": min(columns[LOW]),
    }


def _moves(window: Window, first: float) -> dict[str, float]:
    before = window.before or (first if window.closes else 0.0)
    if not before:
        return {}
    path = [log(before), *window.logs.values()]
    moves = list(map(sub, path[1:], path))
    last = window.closes[-1] if window.closes else before
    return {
        "return_bps": (last / before - 1.0) * _BPS,
        "volatility_bps": _BPS * sqrt(fsum(map(mul, moves, moves))),
    }


def correlation(ours: dict[int, float], theirs: dict[int, float]) -> float | None:
    """Give Pearson's correlation of the log returns between common buckets.

    Args:
        ours: bucket number -> logarithm of the close, in order.
        theirs: the same of another symbol.

    None if there are fewer than `MIN_CORRELATION_PAIRS` or one of the two does not move.
    """
    common = [number for number in ours if number in theirs]
    if len(common) <= MIN_CORRELATION_PAIRS:
        return None
    x, y = _centred_moves(ours, common), _centred_moves(theirs, common)
    if x is None or y is None:
        return None
    scale = sqrt(fsum(map(mul, x, x))) * sqrt(fsum(map(mul, y, y)))
    return max(-1.0, min(1.0, fsum(map(mul, x, y)) / scale))


def _centred_moves(logs: dict[int, float], numbers: list[int]) -> list[float] | None:
    """Give the moves less their mean; None if all are equal but for rounding."""
    path = [logs[number] for number in numbers]
    moves = list(map(sub, path[1:], path))
    if max(moves) - min(moves) <= _SAME:
        return None
    mean = fsum(moves) / len(moves)
    return [move - mean for move in moves]
