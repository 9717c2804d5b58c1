"""The ledger as the daily dumps that Bybit publishes: gzipped CSV of all that the market traded.

Since 13 March 2025 the files have a column `rpi`; before, they had none.
"""

from __future__ import annotations

import re
import zlib
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Final

from cryptostream.simulator.instruments import decimal_text
from cryptostream.simulator.tape import BUY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptostream.simulator.ledger import Book, Entry, Ledger

PLAIN_HEADER: Final = "id,timestamp,price,volume,side\n"
RPI_HEADER: Final = "id,timestamp,price,volume,side,rpi\n"
FIRST_RPI_DAY: Final = date(2025, 3, 13)
ROWS_PER_PIECE: Final = 5000
_FILE: Final = re.compile(r"([A-Z0-9]{2,30})_([0-9]{4}-[0-9]{2}-[0-9]{2})\.csv\.gz")
#: zlib's window bits for a gzip container.
_GZIP: Final = 31


def find_dump(ledger: Ledger, folder: str, name: str) -> tuple[Book, date] | None:
    """Give the book and the UTC day that a path `/spot/<folder>/<name>` means, or None."""
    match = _FILE.fullmatch(name)
    if match is None or match[1] != folder or folder not in ledger.books:
        return None
    try:
        return ledger.books[folder], date.fromisoformat(match[2])
    except ValueError:
        return None


def has_rpi(day: date) -> bool:
    """Tell whether Bybit's file of the day has the column `rpi`."""
    return day >= FIRST_RPI_DAY


def dump_pieces(book: Book, day: date, *, rpi: bool) -> Iterator[bytes]:
    """Give a day's file in gzipped pieces, each of a bounded number of rows.

    Ids count from 1 and sides are in lower case, as Bybit has them. Without trades there is
    nothing at all, as there is no file.
    """
    begin = _epoch_ms(day)
    entries = book.between(begin, _epoch_ms(day + timedelta(days=1)))
    packer = zlib.compressobj(wbits=_GZIP)
    rows: list[str] = []
    number = 0
    for number, entry in enumerate(entries, start=1):
        rows.append(_row(book, number, entry, rpi=rpi))
        if len(rows) == ROWS_PER_PIECE or number == 1:
            head = (RPI_HEADER if rpi else PLAIN_HEADER) if number == 1 else ""
            yield packer.compress((head + "".join(rows)).encode())
            rows = []
    if number:
        yield packer.compress("".join(rows).encode()) + packer.flush()


def _row(book: Book, number: int, entry: Entry, *, rpi: bool) -> str:
    price = decimal_text(entry.price, book.instrument.price_decimals)
    volume = decimal_text(entry.size, book.instrument.size_decimals)
    side = "buy" if entry.side == BUY else "sell"
    more = f",{int(entry.rpi)}" if rpi else ""
    return f"{number},{entry.time_ms},{price},{volume},{side}{more}\n"


def _epoch_ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
