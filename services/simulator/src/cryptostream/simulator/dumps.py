"""Recorded trades: a strict parser of Bybit's daily dumps and their relatives.

Two headers are known: Bybit's `id,timestamp,price,volume,side` (since March 2025 with a further
`rpi`, 0 or 1) and the same with `timestamp_ms`. Times are epoch milliseconds.
"""

from __future__ import annotations

import gzip
import re
from array import array
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Final

import numpy as np

from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.trade import MAX_TIME_MS, MIN_TIME_MS
from cryptostream.simulator.tape import BUY, SELL

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

HEADERS: Final = (
    "id,timestamp,price,volume,side",
    "id,timestamp,price,volume,side,rpi",
    "id,timestamp_ms,price,volume,side",
)
MAX_LINE_CHARS: Final = 512
MAX_ID: Final = 2**63 - 1
#: Bybit quotes at most 10 decimals; units of 18 digits still fit 64 bits.
MAX_DIGITS: Final = 18
_DECIMAL: Final = re.compile(r"([0-9]{1,15})(?:\.([0-9]{1,15}))?")
_SYMBOL: Final = re.compile(r"[A-Z0-9]{2,30}")
_SIDES: Final = {"buy": BUY, "sell": SELL, "Buy": BUY, "Sell": SELL}
_RPI: Final = {"0": 0, "1": 1}


class DumpError(CryptostreamError):
    """A file of recorded trades can't be used; the text is `FILE:LINE: reason`."""

    failure = Failure.FATAL

    def __init__(self, path: Path, line: int, reason: str) -> None:
        super().__init__(f"{path}:{line}: {reason}")


@dataclass(slots=True)
class Dump:
    """The trades of one file as columns, in the file's order, about 34 bytes each.

    Prices and volumes are whole units of 10 ** -decimals, the fewest that the file needs.
    """

    symbol: str
    price_decimals: int = 0
    volume_decimals: int = 0
    ids: array[int] = field(default_factory=lambda: array("q"))
    times: array[int] = field(default_factory=lambda: array("q"))
    prices: array[int] = field(default_factory=lambda: array("q"))
    volumes: array[int] = field(default_factory=lambda: array("q"))
    sides: array[int] = field(default_factory=lambda: array("b"))
    rpi: array[int] = field(default_factory=lambda: array("b"))


def symbol_of(path: Path) -> str:
    """Give the symbol that a file's name begins with, up to the first `-`, `_` or `.`.

    Raises:
        DumpError: the name begins with no symbol.
    """
    symbol = re.split(r"[-_.]", path.name, maxsplit=1)[0]
    if not _SYMBOL.fullmatch(symbol):
        raise DumpError(path, 0, "the file's name must begin with a symbol, like BTCUSDT_...")
    return symbol


def read_dump(path: Path) -> Dump:
    """Read a plain or gzipped file of trades.

    Raises:
        DumpError: the file can't be read, or a row of it is malformed.
    """
    dump = Dump(symbol_of(path))
    line = 0
    try:
        with _open(path) as file:
            for line, text in _lines(file):
                _read_line(dump, line, text)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise DumpError(path, line, reason) from error
    except _Malformed as error:
        raise DumpError(path, line, str(error)) from error
    if not dump.ids:
        raise DumpError(path, line, "the file holds no trades")
    _check_unique(path, dump)
    return dump


def _check_unique(path: Path, dump: Dump) -> None:
    """Refuse a file that has an id twice: downstream the second trade would vanish."""
    ids = np.array(dump.ids)
    by_id = np.argsort(ids, kind="stable")
    repeats = by_id[1:][np.diff(ids[by_id]) == 0]
    if len(repeats):
        row = int(repeats.min())
        raise DumpError(path, row + 2, f"id {dump.ids[row]} stands in the file twice")


class _Malformed(Exception):  # noqa: N818 - becomes a DumpError with file and line
    """Why a line can't be used."""


def _open(path: Path) -> IO[str]:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="ascii", newline="")
    return path.open(encoding="ascii", newline="")


def _lines(file: IO[str]) -> Iterator[tuple[int, str]]:
    """Give numbered lines without their ends; a line is read only up to its bound."""
    number = 0
    while text := file.readline(MAX_LINE_CHARS + 2):
        number += 1
        yield number, text.rstrip("\r\n")


def _read_line(dump: Dump, line: int, text: str) -> None:
    if len(text) > MAX_LINE_CHARS:
        raise _Malformed(f"longer than {MAX_LINE_CHARS} characters")
    if line > 1:
        _read_row(dump, text)
    elif text not in HEADERS:
        raise _Malformed(f"the header was {text[:80]!r}, must be {' or '.join(HEADERS[:2])}")


def _read_row(dump: Dump, text: str) -> None:
    """Append one row; each field is checked, and named when it is wrong."""
    cells = text.split(",")
    if len(cells) not in {5, 6}:
        raise _Malformed(f"{len(cells)} fields, must be 5 or 6")
    trade_id = _whole("id", cells[0], 0, MAX_ID)
    time_ms = _whole("timestamp", cells[1], MIN_TIME_MS, MAX_TIME_MS)
    price, dump.price_decimals = _units("price", cells[2], dump.prices, dump.price_decimals)
    volume, dump.volume_decimals = _units("volume", cells[3], dump.volumes, dump.volume_decimals)
    side, rpi = _SIDES.get(cells[4]), _RPI.get(cells[5]) if len(cells) > 5 else 0  # noqa: PLR2004
    if side is None:
        raise _Malformed(f"side was {cells[4][:40]!r}, must be buy or sell")
    if rpi is None:
        raise _Malformed(f"rpi was {cells[5][:40]!r}, must be 0 or 1")
    dump.ids.append(trade_id)
    dump.times.append(time_ms)
    dump.prices.append(price)
    dump.volumes.append(volume)
    dump.sides.append(side)
    dump.rpi.append(rpi)


def _whole(name: str, text: str, lowest: int, highest: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):  # noqa: PLR2004
        raise _Malformed(f"{name} was {text[:40]!r}, must be a whole number")
    value = int(text)
    if not lowest <= value <= highest:
        raise _Malformed(f"{name} was {value}, must be within {lowest} and {highest}")
    return value


def _units(name: str, text: str, column: array[int], decimals: int) -> tuple[int, int]:
    """Read a positive decimal as whole units; give it with the decimals the column now has.

    A number with more decimals than the column has had so far makes the column finer.
    """
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise _Malformed(f"{name} was {text[:40]!r}, must be a decimal number")
    fraction = (match[2] or "").rstrip("0")
    finer = max(0, len(fraction) - decimals)
    if finer:
        decimals += finer
        largest = max(column, default=0) * 10**finer
        if largest >= 10**MAX_DIGITS:
            raise _Malformed(f"{name} was {text!r}, has too many digits beside earlier rows")
        for at, value in enumerate(column):
            column[at] = value * 10**finer
    value = int(match[1] + fraction.ljust(decimals, "0"))
    if not 0 < value < 10**MAX_DIGITS:
        raise _Malformed(f"{name} was {text!r}, must be positive and of {MAX_DIGITS} digits")
    return value, decimals
