"""The market model: a seeded tape that looks like the real thing and holds nothing to learn.

The mid of each symbol is a random walk on its tick grid, a Skellam process whose variance
follows calendar time and activity. It doesn't look at the flow, so with `impact` 0 the price
of the next order on the same side is a martingale: no model can do better than chance. Takers
are persistent, fill several makers at once (sweeps) and walk up or down the levels of the book.

With `impact` > 0 the mid drifts with the pressure that also drives the takers' sides, which
plants an effect that flow imbalance reveals.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from cryptostream.simulator.arrivals import CELL_SECONDS, ArrivalProcess, Arrivals
from cryptostream.simulator.instruments import PARTITIONS, Instrument
from cryptostream.simulator.tape import BUY, SELL, Floats, Ints, Tape, partition_counters

#: Chance that an order is on the side of the symbol's order before it, beyond what pressure does.
PERSISTENCE: Final = 0.4
#: How far pressure 1 moves the chance of a buy from one half.
PRESSURE_TILT: Final = 0.35
#: Fills of an order: one with this chance, else k >= 2 with weight k ** -SWEEP_EXPONENT.
SINGLE_SHARE: Final = 0.75
SWEEP_EXPONENT: Final = 2.3
MAX_FILLS: Final = 400
#: Chance that a further fill of a sweep is one price level deeper.
WALK_CHANCE: Final = 0.35
SIZE_SIGMA: Final = 1.4
#: Mean of the ids that other symbols of the partition take between two orders.
FOREIGN_IDS: Final = 3.0
MAX_SEQ_STEP: Final = 16
#: A stretch is about this many orders, so that numpy's overhead is spread and memory is small.
ORDERS_PER_TAPE: Final = 4096
MAX_CELLS: Final = 240
#: The mid is reflected at this share of its start, so prices stay positive for ever.
FLOOR_SHARE: Final = 0.1
#: Counters start from the clock, so that ids of a later start never meet those of an earlier one.
IDS_PER_MS: Final = 100
SEQS_PER_MS: Final = 1000
#: A trade id is `22`, the partition and a counter of 16 digits.
PARTITION_ID_STEP: Final = 10**16
FIRST_ID_PREFIX: Final = 220


class Market:
    """An endless feed of the instruments' orders.

    The same arguments give the same tapes, bit for bit.

    Args:
        instruments: busiest first; activity falls like 1 / rank.
        rate: mean trades (fills) per market second over all instruments.
        speed: market seconds per second of offset time.
        seed: of all chance.
        start_ms: epoch milliseconds of offset 0; sets where ids start.
        impact: drift of the mid per second at pressure 1, in its one-second standard deviations.
    """

    def __init__(
        self,
        instruments: tuple[Instrument, ...],
        *,
        rate: float,
        speed: float = 1.0,
        seed: int,
        start_ms: int,
        impact: float = 0.0,
    ) -> None:
        self._rng = np.random.default_rng(seed)
        self._speed, self._impact = speed, impact
        self._fills_cdf = _fills_cdf()
        weights = 1.0 / np.arange(1, len(instruments) + 1)
        orders_per_second = rate / mean_fills() * weights / weights.sum()
        self._arrivals = ArrivalProcess(orders_per_second, self._rng)
        cells = ORDERS_PER_TAPE / orders_per_second.sum() / CELL_SECONDS
        self._cells = int(np.clip(cells, 1, MAX_CELLS))
        self._read_instruments(instruments)
        self._last_side: Ints = self._rng.choice((SELL, BUY), len(instruments)).astype(np.int64)
        self._last_time: Floats = np.zeros(len(instruments))
        self._ids: Ints = np.full(PARTITIONS, start_ms * IDS_PER_MS, dtype=np.int64)
        self._seqs: Ints = np.full(PARTITIONS, start_ms * SEQS_PER_MS, dtype=np.int64)

    def _read_instruments(self, instruments: tuple[Instrument, ...]) -> None:
        """Turn what the model needs of the instruments into columns."""
        ticks = np.array([i.start_ticks for i in instruments], dtype=np.int64)
        self._mid = ticks.copy()
        self._floor = np.maximum((ticks * FLOOR_SHARE).astype(np.int64), 1)
        self._sigma = ticks * np.array([i.volatility_bps for i in instruments]) / 1e4
        self._spread = np.array([i.spread_ticks for i in instruments], dtype=np.int64)
        self._level = np.array([i.level_ticks for i in instruments], dtype=np.int64)
        self._partition = np.array([i.partition for i in instruments], dtype=np.int64)
        lot_usd = [i.order_usd * 10.0 ** (i.price_decimals + i.size_decimals) for i in instruments]
        #: Lots of the median order = this / price in ticks.
        self._median_lots = np.array(lot_usd)

    def next_tape(self) -> Tape:
        """Give the next stretch; it may be empty."""
        arrivals = self._arrivals.next(self._cells)
        side, best = self._quote(arrivals)
        fills = 1 + np.searchsorted(self._fills_cdf, self._rng.random(len(side)), side="right")
        first = np.concatenate(([0], np.cumsum(fills)))
        order = np.repeat(np.arange(len(side)), fills)
        symbol = arrivals.symbol
        price = self._walk_levels(first, order, side, symbol, best)
        lots = self._median_lots[symbol][order] / price
        lots = lots * np.exp(SIZE_SIGMA * self._rng.standard_normal(len(order)))
        return Tape(
            first=first,
            offset_ms=(arrivals.time * (1000.0 / self._speed)).astype(np.int64),
            symbol=symbol,
            side=side,
            seq=self._number_orders(symbol),
            trade_id=self._number_fills(first, self._partition[symbol][order]),
            price=price,
            size=np.maximum(np.rint(lots), 1).astype(np.int64),
            rpi=np.zeros(len(order), dtype=np.bool_),
        )

    def _quote(self, arrivals: Arrivals) -> tuple[Ints, Ints]:
        """Give each order's side and the best price it meets, in ticks."""
        by_symbol = np.argsort(arrivals.symbol, kind="stable")
        symbol = arrivals.symbol[by_symbol]
        starts = np.flatnonzero(np.diff(symbol, prepend=-1))
        side = self._take_sides(symbol, starts, arrivals.pressure[by_symbol])
        mid = self._walk_mid(arrivals, by_symbol, starts)
        best = mid + np.where(side > 0, self._spread[symbol], 0)
        in_time = np.empty_like(by_symbol)
        in_time[by_symbol] = np.arange(len(by_symbol))
        return side[in_time], best[in_time]

    def _take_sides(self, symbol: Ints, starts: Ints, pressure: Floats) -> Ints:
        """Give persistent sides; orders come grouped by symbol, each group in time order."""
        decides = self._rng.random(len(symbol)) >= PERSISTENCE
        buys = self._rng.random(len(symbol)) < 0.5 + PRESSURE_TILT * np.tanh(pressure)
        side = np.where(buys, BUY, SELL).astype(np.int64)
        follows = starts[~decides[starts]]
        side[follows] = self._last_side[symbol[follows]]
        decides[starts] = True
        source = np.maximum.accumulate(np.where(decides, np.arange(len(symbol)), 0))
        side = side[source]
        ends = np.append(starts[1:], len(symbol)) - 1
        if len(symbol):
            self._last_side[symbol[ends]] = side[ends]
        return side

    def _walk_mid(self, arrivals: Arrivals, by_symbol: Ints, starts: Ints) -> Ints:
        """Give the best bid (the grid's mid) at each order, grouped by symbol like `starts`."""
        symbol, time = arrivals.symbol[by_symbol], arrivals.time[by_symbol]
        waits = np.diff(time, prepend=0.0)
        waits[starts] = time[starts] - self._last_time[symbol[starts]]
        sigma, active = self._sigma[symbol], arrivals.activity[by_symbol] * waits
        variance = sigma**2 * active
        drift = self._impact * np.tanh(arrivals.pressure[by_symbol]) * sigma * active
        ups = self._rng.poisson(np.maximum(variance + drift, 0.0) / 2)
        downs = self._rng.poisson(np.maximum(variance - drift, 0.0) / 2)
        path = np.cumsum(ups - downs)
        lengths = np.diff(np.append(starts, len(symbol)))
        before = np.concatenate(([0], path))[starts]
        free = path + np.repeat(self._mid[symbol[starts]] - before, lengths)
        mid: Ints = self._floor[symbol] + np.abs(free - self._floor[symbol])
        ends = starts + lengths - 1
        self._mid[symbol[ends]], self._last_time[symbol[ends]] = mid[ends], time[ends]
        return mid

    def _walk_levels(self, first: Ints, order: Ints, side: Ints, symbol: Ints, best: Ints) -> Ints:
        """Give each fill's price: the first at the best, later ones level by level deeper."""
        deeper = self._rng.random(len(order)) < WALK_CHANCE
        deeper[first[:-1]] = False
        depth = np.cumsum(deeper)
        depth = depth - depth[first[:-1]][order]
        return np.maximum(best[order] + (side * self._level[symbol])[order] * depth, 1)

    def _number_orders(self, symbol: Ints) -> Ints:
        """Give each order its cross sequence: rising in its partition, not dense."""
        steps = self._rng.integers(1, MAX_SEQ_STEP, len(symbol), endpoint=True)
        return partition_counters(self._partition[symbol], steps, self._seqs)

    def _number_fills(self, first: Ints, partition: Ints) -> Ints:
        """Give each fill its id: dense within an order, with jumps between orders."""
        steps = np.ones(len(partition), dtype=np.int64)
        foreign = self._rng.geometric(1 / (1 + FOREIGN_IDS), len(first) - 1) - 1
        steps[first[:-1]] += foreign
        counter = partition_counters(partition, steps, self._ids)
        return (FIRST_ID_PREFIX + partition) * PARTITION_ID_STEP + counter


def _fills_pmf() -> Floats:
    """Give the chances of 1, 2, ... `MAX_FILLS` fills."""
    weights = np.arange(2, MAX_FILLS + 1) ** -SWEEP_EXPONENT
    return np.concatenate(([SINGLE_SHARE], (1 - SINGLE_SHARE) * weights / weights.sum()))


def _fills_cdf() -> Floats:
    cdf = np.cumsum(_fills_pmf())
    cdf[-1] = 1.0
    return cdf


def mean_fills() -> float:
    """Give the mean number of fills of an order."""
    return float(_fills_pmf() @ np.arange(1, MAX_FILLS + 1))
