"""A tape: a stretch of taker orders and their fills, as columns in time order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

BUY: Final = 1
SELL: Final = -1


@dataclass(frozen=True, slots=True)
class Tape:
    """Orders and their fills; order `k` owns the fills `first[k]` to `first[k + 1]`.

    Attributes:
        first: where each order's fills begin, and at last their number; orders + 1 values.
        offset_ms: match time of each order, milliseconds since the feed's start, ascending.
        symbol: index into the feed's instruments, per order.
        side: the taker's, `BUY` or `SELL`, per order.
        seq: cross sequence, per order.
        trade_id: per fill.
        price: ticks, per fill.
        size: lots, per fill.
        rpi: whether the fill was against retail price improvement, per fill.
    """

    first: Ints
    offset_ms: Ints
    symbol: Ints
    side: Ints
    seq: Ints
    trade_id: Ints
    price: Ints
    size: Ints
    rpi: Bools

    @property
    def orders(self) -> int:
        """How many orders the tape holds."""
        return len(self.offset_ms)

    @property
    def fills(self) -> int:
        """How many fills, that is trades, the tape holds."""
        return len(self.trade_id)

    def part(self, begin: int, end: int) -> Tape:
        """Give the orders from `begin` up to, not including, `end` as a tape of their own."""
        orders = slice(begin, end)
        fills = slice(int(self.first[begin]), int(self.first[end]))
        return Tape(
            first=self.first[begin : end + 1] - self.first[begin],
            offset_ms=self.offset_ms[orders],
            symbol=self.symbol[orders],
            side=self.side[orders],
            seq=self.seq[orders],
            trade_id=self.trade_id[fills],
            price=self.price[fills],
            size=self.size[fills],
            rpi=self.rpi[fills],
        )


class Order(NamedTuple):
    """One taker order with its fills, as it is entered and pushed; columns as in `Tape`."""

    time_ms: int
    seq: int
    side: int
    ids: list[int]
    prices: list[int]
    sizes: list[int]
    rpi: list[bool]


class Feed(Protocol):
    """Whatever makes tapes: the market model or a replay."""

    def next_tape(self) -> Tape | None:
        """Give the next stretch, which may be empty, or None when the feed has ended."""
        ...


def partition_counters(partition: Ints, steps: Ints, counters: Ints) -> Ints:
    """Advance one counter per partition by each element's step; give its value after the step.

    Args:
        partition: partition of each element, in time order.
        steps: how far the element moves its partition's counter, positive.
        counters: the counters' values so far, changed in place.
    """
    values = np.empty_like(steps)
    for number in np.unique(partition):
        mine = partition == number
        values[mine] = counters[number] + np.cumsum(steps[mine])
        counters[number] = values[mine][-1]
    return values
