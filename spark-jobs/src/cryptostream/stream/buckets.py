"""Trades folded into buckets of one length, as many as a window needs. Pure."""

from __future__ import annotations

from bisect import bisect
from math import log
from typing import Any, Final

#: A bucket: trades, volume, turnover, high, low, close; close is 0 where no trade set one.
TRADES, VOLUME, TURNOVER, HIGH, LOW, CLOSE = range(6)
Bucket = list[float]
#: Old buckets are dropped so many at a time.
_SLACK: Final = 16


def bucket_of(price: float, size: float, close: float) -> Bucket:
    """Give the bucket of one trade."""
    return [1.0, size, price * size, price, price, close]


def merge(into: Bucket, other: Bucket) -> None:
    """Add a bucket to one of the same time or earlier; the other's close counts if it has one."""
    into[TRADES] += other[TRADES]
    into[VOLUME] += other[VOLUME]
    into[TURNOVER] += other[TURNOVER]
    into[HIGH] = max(into[HIGH], other[HIGH])
    into[LOW] = min(into[LOW], other[LOW])
    into[CLOSE] = other[CLOSE] or into[CLOSE]


class Ring:
    """The last buckets of one length, by number (time / length); empty ones take no room.

    Attributes:
        length_ms: of a bucket.
        count: of buckets in a window.
    """

    __slots__ = ("_buckets", "_carried", "count", "length_ms")

    def __init__(self, length_ms: int, count: int) -> None:
        self.length_ms = length_ms
        self.count = count
        self._buckets: dict[int, Bucket] = {}
        #: Number and close of the newest bucket that was dropped; what a window starts from.
        self._carried = (0, 0.0)

    def fold(self, time_ms: int, bucket: Bucket) -> None:
        """Add trades of one bucket or of a part of one."""
        number = time_ms // self.length_ms
        known = self._buckets.get(number)
        if known is None:
            self._buckets[number] = bucket.copy()
        else:
            merge(known, bucket)

    def forget(self, now_ms: int) -> None:
        """Drop what no window that ends after `now_ms` reaches, once it is worth the work."""
        if len(self._buckets) <= self.count + _SLACK:
            return
        # One bucket more than a window has: it may be asked for with a clock slightly behind.
        oldest = now_ms // self.length_ms - self.count
        for number in sorted(one for one in self._buckets if one < oldest):
            bucket = self._buckets.pop(number)
            if bucket[CLOSE] and number >= self._carried[0]:
                self._carried = (number, bucket[CLOSE])

    def window(self, last: int, time_ms: int, unfolded: Bucket | None) -> Window:
        """Give the buckets of the window whose last bucket is number `last`.

        `unfolded` are trades at `time_ms` that were not folded in yet; nothing is changed.
        """
        buckets, number = self._buckets, time_ms // self.length_ms
        if unfolded is not None:
            buckets = buckets.copy()
            known = buckets.get(number)
            buckets[number] = merged = unfolded if known is None else known.copy()
            if known is not None:
                merge(merged, unfolded)
        numbers = sorted(buckets)
        low, high = bisect(numbers, last - self.count), bisect(numbers, last)
        closed = (buckets[one][CLOSE] for one in reversed(numbers[:low]))
        before = next((close for close in closed if close), self._carried[1])
        inside = numbers[low:high]
        return Window(inside, [buckets[one] for one in inside], before)

    def state(self) -> list[Any]:
        """Give it as JSON: the carried close, the buckets' numbers, the buckets (60 B each)."""
        buckets = self._buckets
        return [*self._carried, list(buckets), [bucket.copy() for bucket in buckets.values()]]

    def restore(self, state: list[Any]) -> None:
        """Go on where `state` was given, bit for bit."""
        number, close, numbers, buckets = state
        self._carried = (int(number), float(close))
        kept = ([float(value) for value in bucket] for bucket in buckets)
        self._buckets = dict(zip(map(int, numbers), kept, strict=True))


class Window:
    """The buckets of one window in order, column by column.

    Attributes:
        before: the price in force at its start, 0 if unknown.
        columns: of the buckets, in the order of `TRADES` .. `CLOSE`; empty without a bucket.
        closes: the buckets' closes, of those that have one.
        logs: bucket number -> logarithm of its close.
    """

    __slots__ = ("before", "closes", "columns", "logs")

    def __init__(self, numbers: list[int], buckets: list[Bucket], before: float) -> None:
        self.before = before
        self.columns = list(zip(*buckets, strict=True))
        pairs = [(n, bucket[CLOSE]) for n, bucket in zip(numbers, buckets, strict=True)]
        self.closes = [close for _, close in pairs if close]
        self.logs = {n: log(close) for n, close in pairs if close}
