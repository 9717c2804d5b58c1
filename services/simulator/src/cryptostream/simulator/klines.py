"""Candles of one minute, computed exactly from the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Final

from cryptostream.simulator.instruments import decimal_text

if TYPE_CHECKING:
    from cryptostream.simulator.ledger import Book, Entry

MINUTE_MS: Final = 60_000


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


def klines(book: Book, *, start_ms: int, end_ms: int, limit: int) -> list[Kline]:
    """Give the minutes that begin within [start_ms, end_ms], newest first, at most `limit`.

    Like on the exchange a minute without trades is flat at the close before it; there is none
    before the first trade.
    """
    first = book.first_time()
    if first is None:
        return []
    first_minute = _floor(first)
    begin = max(-(-start_ms // MINUTE_MS) * MINUTE_MS, first_minute)
    end = _floor(end_ms)
    begin = max(begin, end - (limit - 1) * MINUTE_MS)
    traded: dict[int, Kline] = {}
    entries = book.between(begin, end + MINUTE_MS)
    for minute, group in groupby(entries, key=lambda entry: _floor(entry.time_ms)):
        traded[minute] = _kline(minute, list(group))
    found, close = [], book.last_price_before(begin)
    for minute in range(begin, end + MINUTE_MS, MINUTE_MS):
        kline = traded.get(minute) or Kline(minute, close, close, close, close, 0, 0)
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


def _kline(minute: int, entries: list[Entry]) -> Kline:
    prices = [entry.price for entry in entries]
    return Kline(
        start=minute,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=sum(entry.size for entry in entries),
        turnover=sum(entry.price * entry.size for entry in entries),
    )


def _floor(time_ms: int) -> int:
    return time_ms // MINUTE_MS * MINUTE_MS
