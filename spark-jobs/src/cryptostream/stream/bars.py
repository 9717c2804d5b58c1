"""A candle while it is being made: how trades and shorter candles go into it. Pure.

Sums run in the order (trade time, sequence, arrival). The bar of a second is made from its trades,
any longer one from its seconds; so a bar is the same to the last bit in whatever order its trades
came, as long as they came before it was closed.
"""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from cryptostream.contracts.messages import INTERVAL_MS, Candle, Interval

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Before any trade's time, and after any's.
_NEVER: Final = -1


class Fill(NamedTuple):
    """What a candle takes of a trade. Fills compare by time and sequence first."""

    time: int
    seq: int
    price: float
    size: float
    bought: bool


class Bar(msgspec.Struct, array_like=True, gc=False):
    """The sums of a candle; one without trades has `trades` 0.

    Attributes:
        bought, sold: base units, by the taker's side.
        squares: sum of squared log returns from trade to trade.
        first_time, first_seq: of the trade that opens it; `last_...` of the one that closes it.
        late: trades that came after it was final.
    """

    open: float = 0.0
    high: float = 0.0
    low: float = 0.0
    close: float = 0.0
    bought: float = 0.0
    sold: float = 0.0
    turnover: float = 0.0
    squares: float = 0.0
    trades: int = 0
    first_time: int = _NEVER
    first_seq: int = _NEVER
    last_time: int = _NEVER
    last_seq: int = _NEVER
    late: int = 0


def fold(bar: Bar, fill: Fill) -> None:
    """Add a trade that comes after all that the bar has."""
    time, seq, price, size, bought = fill
    if bar.trades == 0:
        bar.open = bar.high = bar.low = price
        bar.first_time, bar.first_seq = time, seq
    elif price != bar.close:
        move = log(price / bar.close)
        bar.squares += move * move
        if price > bar.high:
            bar.high = price
        elif price < bar.low:
            bar.low = price
    bar.close = price
    bar.last_time, bar.last_seq = time, seq
    _add(bar, price, size, bought=bought)


def correct(bar: Bar, fill: Fill) -> None:
    """Add a trade that comes late: it may even open the bar.

    Its place between the others is lost with them, so `squares` stays as it is.
    """
    time, seq, price, size, bought = fill
    if bar.trades == 0:
        fold(bar, fill)
        return
    if (time, seq) < (bar.first_time, bar.first_seq):
        bar.open = price
        bar.first_time, bar.first_seq = time, seq
    if (time, seq) >= (bar.last_time, bar.last_seq):
        bar.close = price
        bar.last_time, bar.last_seq = time, seq
    bar.high = max(bar.high, price)
    bar.low = min(bar.low, price)
    _add(bar, price, size, bought=bought)


def merge(bar: Bar, later: Bar) -> None:
    """Add the bar of a second that comes after all that the bar has."""
    if bar.trades == 0:
        bar.open, bar.high, bar.low = later.open, later.high, later.low
        bar.first_time, bar.first_seq = later.first_time, later.first_seq
    else:
        move = log(later.open / bar.close)
        bar.squares += move * move
        bar.high = max(bar.high, later.high)
        bar.low = min(bar.low, later.low)
    bar.close = later.close
    bar.last_time, bar.last_seq = later.last_time, later.last_seq
    bar.bought += later.bought
    bar.sold += later.sold
    bar.turnover += later.turnover
    bar.squares += later.squares
    bar.trades += later.trades


def bar_of(fills: Iterable[Fill]) -> Bar:
    """Make the bar of trades in order."""
    bar = Bar()
    for fill in fills:
        fold(bar, fill)
    return bar


def copy_of(bar: Bar) -> Bar:
    """Give a bar of its own with the same sums."""
    return msgspec.structs.replace(bar)


def candle(
    instrument: tuple[str, str, str], interval: Interval, start: int, bar: Bar, watermark: int
) -> Candle:
    """Render a bar with trades; it is final once `watermark` has reached its end."""
    volume = bar.bought + bar.sold
    exchange, category, symbol = instrument
    return Candle(
        exchange=exchange,
        category=category,
        symbol=symbol,
        interval=interval,
        start=start,
        open=bar.open,
        high=bar.high,
        low=bar.low,
        close=bar.close,
        volume=volume,
        turnover=bar.turnover,
        vwap=bar.turnover / volume,
        trades=bar.trades,
        buy_volume=bar.bought,
        sell_volume=bar.sold,
        ofi=(bar.bought - bar.sold) / volume,
        volatility=sqrt(bar.squares),
        final=start + INTERVAL_MS[interval] <= watermark,
        late=bar.late,
    )


def _add(bar: Bar, price: float, size: float, *, bought: bool) -> None:
    if bought:
        bar.bought += size
    else:
        bar.sold += size
    bar.turnover += price * size
    bar.trades += 1
