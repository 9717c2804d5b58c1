"""Candles computed exactly from the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cryptostream.simulator.instruments import decimal_text

if TYPE_CHECKING:
    from cryptostream.simulator.ledger import Book, Entry

MINUTE_MS: Final = 60_000
#: Bybit's names of the intervals given here.
INTERVALS: Final = {
    **{str(minutes): minutes * MINUTE_MS for minutes in (1, 3, 5, 15, 30, 60)},
    "D": 24 * 60 * MINUTE_MS,
}


@dataclass(frozen=True, slots=True)
class Kline:
    """OHLC in ticks, volume in lots, turnover in ticks times lots; all exact integers."""

    start: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    turnover: int


def klines(
    book: Book, *, start_ms: int, end_ms: int, limit: int, span_ms: int = MINUTE_MS
) -> list[Kline]:
    """Give the candles that begin within [start_ms, end_ms], newest first, at most `limit`.

    Like on the exchange one without trades is flat at the close before it; there is none
    before the first trade. Spans divide a day, so they begin at multiples of theirs since 1970.
    """
    first = book.first_time()
    if first is None:
        return []
    first_start = _floor(first, span_ms)
    begin = max(-(-start_ms // span_ms) * span_ms, first_start)
    end = _floor(end_ms, span_ms)
    begin = max(begin, end - (limit - 1) * span_ms)
    traded: dict[int, Kline] = {}
    entries = book.between(begin, end + span_ms)
    for start, group in groupby(entries, key=lambda entry: _floor(entry.time_ms, span_ms)):
        traded[start] = _kline(start, list(group))
    found, close = [], book.last_price_before(begin)
    for start in range(begin, end + span_ms, span_ms):
        kline = traded.get(start) or Kline(start, close, close, close, close, 0, 0)
        close = kline.close
        found.append(kline)
    return found[::-1]


def kline_row(kline: Kline, book: Book) -> list[str]:
    """Write a kline as Bybit does: start, open, high, low, close, volume, turnover."""
    price_decimals = book.instrument.price_decimals
    size_decimals = book.instrument.size_decimals
    prices = (kline.open, kline.high, kline.low, kline.close)
    return [
        str(kline.start),
        *(decimal_text(price, price_decimals) for price in prices),
        decimal_text(kline.volume, size_decimals),
        decimal_text(kline.turnover, price_decimals + size_decimals),
    ]


def _kline(start: int, entries: list[Entry]) -> Kline:
    prices = [entry.price for entry in entries]
    return Kline(
        start=start,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(entry.size for entry in entries),
        turnover=sum(entry.price * entry.size for entry in entries),
    )


def _floor(time_ms: int, span_ms: int) -> int:
    return time_ms // span_ms * span_ms
