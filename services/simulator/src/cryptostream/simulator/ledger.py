"""The truth: every trade that was made, and whether it went out to at least one subscriber.

Trades are kept in columns, `BYTES_PER_TRADE` each, in chunks. Beyond the ledger's bound the
symbol that holds most gives up its oldest chunk, so quiet symbols keep their history; counts
go on counting.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections import deque
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from cryptostream.simulator.instruments import Instrument, decimal_text
from cryptostream.simulator.tape import BUY, SELL, Order

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK_TRADES: Final = 4096
#: id, price, size, time and seq as 8 bytes each, flags as one.
BYTES_PER_TRADE: Final = 41
_BUY, _RPI, _SENT = 1, 2, 4


class Entry(NamedTuple):
    """One trade of the ledger; price in ticks, size in lots, times in epoch milliseconds."""

    trade_id: int
    price: int
    size: int
    time_ms: int
    seq: int
    side: int
    rpi: bool
    sent: bool


class _Chunk:
    """Up to `CHUNK_TRADES` trades of a symbol as columns."""

    __slots__ = ("flags", "ids", "prices", "seqs", "sizes", "times")

    def __init__(self) -> None:
        self.ids, self.prices, self.sizes = array("q"), array("q"), array("q")
        self.times, self.seqs, self.flags = array("q"), array("q"), array("b")

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, order: Order, flags: int) -> None:
        count = len(order.ids)
        self.ids.extend(order.ids)
        self.prices.extend(order.prices)
        self.sizes.extend(order.sizes)
        self.times.extend([order.time_ms] * count)
        self.seqs.extend([order.seq] * count)
        self.flags.extend([flags | _RPI if rpi else flags for rpi in order.rpi])

    def add_one(self, order: Order, flags: int) -> None:
        """Do the same for the most frequent case, an order of one fill, in half the time."""
        self.ids.append(order.ids[0])
        self.prices.append(order.prices[0])
        self.sizes.append(order.sizes[0])
        self.times.append(order.time_ms)
        self.seqs.append(order.seq)
        self.flags.append(flags | _RPI if order.rpi[0] else flags)

    def entry(self, at: int) -> Entry:
        flags = self.flags[at]
        return Entry(
            self.ids[at],
            self.prices[at],
            self.sizes[at],
            self.times[at],
            self.seqs[at],
            BUY if flags & _BUY else SELL,
            bool(flags & _RPI),
            bool(flags & _SENT),
        )


class Book:
    """The ledger's part of one symbol. Times never go back."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.made = 0
        self.sent = 0
        self.last_ms = 0
        self._chunks: deque[_Chunk] = deque([_Chunk()])

    def append(self, order: Order, *, sent: bool) -> bool:
        """Write an order's fills down; tell whether a new chunk was begun."""
        count = len(order.ids)
        chunk, begun = self._chunks[-1], False
        if len(chunk) >= CHUNK_TRADES:
            chunk, begun = _Chunk(), True
            self._chunks.append(chunk)
        flags = (_BUY if order.side == BUY else 0) | (_SENT if sent else 0)
        if count == 1:
            chunk.add_one(order, flags)
        else:
            chunk.add(order, flags)
        self.last_ms = order.time_ms
        self.made += count
        self.sent += count if sent else 0
        return begun

    @property
    def held(self) -> int:
        """How many trades the book still holds."""
        return sum(map(len, self._chunks))

    def drop_oldest(self) -> int:
        """Give up the oldest full chunk; tell how many trades it held."""
        return len(self._chunks.popleft()) if len(self._chunks) > 1 else 0

    def newest(self, limit: int) -> list[Entry]:
        """Give up to `limit` trades, newest first."""
        found: list[Entry] = []
        for chunk in reversed(self._chunks):
            for at in range(len(chunk) - 1, -1, -1):
                if len(found) == limit:
                    return found
                found.append(chunk.entry(at))
        return found

    def between(self, from_ms: int, to_ms: int) -> Iterator[Entry]:
        """Give the trades with from_ms <= time < to_ms, oldest first."""
        for chunk in tuple(self._chunks):
            begin, end = bisect_left(chunk.times, from_ms), bisect_left(chunk.times, to_ms)
            for at in range(begin, end):
                yield chunk.entry(at)

    def first_time(self) -> int | None:
        """Give the match time of the oldest trade held, or None if there is none."""
        return self._chunks[0].times[0] if len(self._chunks[0]) else None

    def last_price_before(self, time_ms: int) -> int:
        """Give the newest price, in ticks, of the trades before a time; 0 if there is none."""
        for chunk in reversed(self._chunks):
            at = bisect_left(chunk.times, time_ms)
            if at:
                return chunk.prices[at - 1]
        return 0

    def sent_lines(self) -> Iterator[bytes]:
        """Give the sent trades as NDJSON, one bounded piece per chunk."""
        for chunk in tuple(self._chunks):
            yield b"".join(
                msgspec.json.encode(self._row(chunk.entry(at))) + b"\n"
                for at in range(len(chunk))
                if chunk.flags[at] & _SENT
            )

    def all_lines(self) -> Iterator[bytes]:
        """Give all trades made as NDJSON, each with whether it was sent."""
        for chunk in tuple(self._chunks):
            entries = (chunk.entry(at) for at in range(len(chunk)))
            yield b"".join(
                msgspec.json.encode(self._row(entry) | {"sent": entry.sent}) + b"\n"
                for entry in entries
            )

    def _row(self, entry: Entry) -> dict[str, Any]:
        return {
            "symbol": self.instrument.symbol,
            "trade_id": str(entry.trade_id),
            "price": decimal_text(entry.price, self.instrument.price_decimals),
            "size": decimal_text(entry.size, self.instrument.size_decimals),
            "side": "buy" if entry.side == BUY else "sell",
            "trade_time": entry.time_ms,
        }


class Ledger:
    """The books of all symbols, bounded together.

    Args:
        instruments: what is traded.
        max_trades: how many trades are held at most, give or take one chunk per symbol.

    Attributes:
        books: of every symbol that is or was traded.
        listed: the books of those traded now.
    """

    def __init__(self, instruments: tuple[Instrument, ...], max_trades: int) -> None:
        self.books = {i.symbol: Book(i) for i in instruments}
        self.listed = dict(self.books)
        self._max_trades = max_trades

    def enlist(self, instrument: Instrument) -> bool:
        """Trade an instrument, from now on or again; tell whether it is new here."""
        new = instrument.symbol not in self.books
        book = self.books.setdefault(instrument.symbol, Book(instrument))
        self.listed[instrument.symbol] = book
        return new

    def delist(self, symbol: str) -> bool:
        """Trade a symbol no longer, and keep its book; tell whether it was traded."""
        return self.listed.pop(symbol, None) is not None

    def bound(self) -> None:
        """Hold the bound; to be called whenever a book has begun a chunk."""
        while self.held > self._max_trades:
            largest = max(self.books.values(), key=lambda book: book.held)
            if not largest.drop_oldest():
                return

    @property
    def sent(self) -> int:
        """How many trades went out to at least one subscriber."""
        return sum(book.sent for book in self.books.values())

    @property
    def made(self) -> int:
        """How many trades were made, heard or not."""
        return sum(book.made for book in self.books.values())

    @property
    def held(self) -> int:
        """How many trades the ledger still holds."""
        return sum(book.held for book in self.books.values())
