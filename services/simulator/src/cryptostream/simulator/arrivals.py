"""When taker orders arrive: bursts that excite themselves, on top of slowly changing activity.

A Hawkes process in its cluster form: immigrants come as a Poisson process whose rate follows
each symbol's activity (a log-normal Ornstein-Uhlenbeck process), and every order begets a
Poisson number of further orders after exponential waits, generation by generation
(Hawkes and Oakes 1974, "A cluster process representation of a self-exciting process").
Activity and flow pressure live on a grid of `CELL_SECONDS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, sqrt
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from cryptostream.simulator.tape import Floats, Ints

CELL_SECONDS: Final = 0.5
#: Mean number of direct children of an order; a cluster has 1 / (1 - BRANCHING) orders.
BRANCHING: Final = 0.6
#: A share of the children follows within milliseconds (programs), the rest within seconds.
FAST_SHARE: Final = 0.6
FAST_SECONDS: Final = 0.004
SLOW_SECONDS: Final = 2.0
#: No cluster lives for longer; the chance of one that would is below 1e-9.
MAX_GENERATIONS: Final = 60
#: Activity: log-standard deviation, and how long a busy episode lasts.
ACTIVITY_SIGMA: Final = 0.8
ACTIVITY_SECONDS: Final = 8.0
#: Pressure, in units of its standard deviation: how long buyers or sellers prevail.
PRESSURE_SECONDS: Final = 20.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """Orders of one stretch in time order, and the flow pressure each met.

    `time` is in market seconds, `symbol` an index, `pressure` standard normal, and `activity`
    a positive factor of mean 1.
    """

    time: Floats
    symbol: Ints
    pressure: Floats
    activity: Floats


class ArrivalProcess:
    """Makes arrivals stretch by stretch; the generator is the only source of chance."""

    def __init__(self, orders_per_second: Floats, rng: np.random.Generator) -> None:
        self._immigrants = orders_per_second * (1.0 - BRANCHING) * CELL_SECONDS
        self._rng = rng
        self._activity = rng.standard_normal(len(orders_per_second))
        self._pressure = rng.standard_normal(len(orders_per_second))
        self._cells_done = 0
        self._late_time: Floats = np.empty(0)
        self._late_symbol: Ints = np.empty(0, dtype=np.int64)

    def next(self, cells: int) -> Arrivals:
        """Give the orders of the next `cells` cells, each `CELL_SECONDS` long."""
        start = self._cells_done
        self._cells_done += cells
        activity, pressure = self._walk_grid(cells)
        time, symbol = self._immigrate(start, activity)
        time, symbol = self._spread(time, symbol)
        time = np.concatenate((self._late_time, time))
        symbol = np.concatenate((self._late_symbol, symbol))
        late = time >= self._cells_done * CELL_SECONDS
        self._late_time, self._late_symbol = time[late], symbol[late]
        time, symbol = time[~late], symbol[~late]
        order = np.argsort(time, kind="stable")
        time, symbol = time[order], symbol[order]
        cell = np.minimum((time / CELL_SECONDS).astype(np.int64) - start, cells - 1)
        return Arrivals(time, symbol, pressure[cell, symbol], activity[cell, symbol])

    def _walk_grid(self, cells: int) -> tuple[Floats, Floats]:
        """Move activity and pressure on; both results have the shape (cells, symbols)."""
        shape = (cells, len(self._activity))
        shocks = self._rng.standard_normal((2, *shape))
        activity, pressure = np.empty(shape), np.empty(shape)
        keep_a = exp(-CELL_SECONDS / ACTIVITY_SECONDS)
        keep_p = exp(-CELL_SECONDS / PRESSURE_SECONDS)
        for cell in range(cells):
            self._activity = keep_a * self._activity + sqrt(1 - keep_a**2) * shocks[0, cell]
            self._pressure = keep_p * self._pressure + sqrt(1 - keep_p**2) * shocks[1, cell]
            activity[cell], pressure[cell] = self._activity, self._pressure
        return np.exp(ACTIVITY_SIGMA * activity - ACTIVITY_SIGMA**2 / 2), pressure

    def _immigrate(self, start: int, activity: Floats) -> tuple[Floats, Ints]:
        """Draw the immigrants of each cell, uniform within it."""
        counts = self._rng.poisson(self._immigrants * activity)
        cells, symbols = np.indices(counts.shape)
        cell = np.repeat(cells.ravel(), counts.ravel())
        symbol = np.repeat(symbols.ravel(), counts.ravel())
        time = (start + cell + self._rng.random(len(cell))) * CELL_SECONDS
        return time, symbol.astype(np.int64)

    def _spread(self, time: Floats, symbol: Ints) -> tuple[Floats, Ints]:
        """Add all descendants of the immigrants."""
        times, symbols = [time], [symbol]
        for _ in range(MAX_GENERATIONS):
            children = self._rng.poisson(BRANCHING, len(time))
            time, symbol = np.repeat(time, children), np.repeat(symbol, children)
            if not len(time):
                break
            fast = self._rng.random(len(time)) < FAST_SHARE
            wait = np.where(fast, FAST_SECONDS, SLOW_SECONDS)
            time = time + self._rng.exponential(1.0, len(time)) * wait
            times.append(time)
            symbols.append(symbol)
        return np.concatenate(times), np.concatenate(symbols)
