"""Read trade files: Bybit's daily dumps and recorded tapes, plain or gzipped.

Strict on purpose: a row that can't be trusted ends the run with `FILE:LINE: reason`, because a
model trained on half a file would look as good as one trained on all of it.
"""

from __future__ import annotations

import gzip
import re
import zlib
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Final, NoReturn, cast

import numpy as np
import numpy.typing as npt

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import check_identity, check_number, check_time
from cryptostream.models.errors import TradeFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

#: Bybit's daily spot dump (with and without `rpi`), and the same with the unit spelt out.
HEADERS: Final = frozenset(
    f"id,{time},price,volume,side{rpi}"
    for time in ("timestamp", "timestamp_ms")
    for rpi in ("", ",rpi")
)
SUFFIXES: Final = (".csv", ".csv.gz")
MAX_LINE_BYTES: Final = 1_000
#: 13 digits are milliseconds until the year 2286; more is another unit.
MAX_TIME_DIGITS: Final = 13
#: A silence this long is a hole in the recording as far as features and labels are concerned.
GAP_MS: Final = 60_000
#: Ids that step by one this often are dense, so that a bigger step is a hole.
DENSE_SHARE: Final = 0.999
_SIDES: Final = {"buy": 1, "sell": -1}

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_Row = tuple[str, int, float, float, int]


@dataclass(frozen=True, slots=True)
class Tape:
    """One symbol's trades in the order of their time; all arrays are equally long.

    Attributes:
        symbol: such as `BTCUSDT`.
        time_ms: match time, epoch milliseconds, never going backwards.
        price: quote units.
        size: base units.
        side: +1 where the taker bought, -1 where it sold.
        segment: counts up at each hole of the recording; nothing is carried across one.
        vectors: (trades, `FEATURE_COUNT`) as the stream stored them; None where to be replayed.
        warm: as stored with the vectors.
    """

    symbol: str
    time_ms: Ints
    price: Floats
    size: Floats
    side: Ints
    segment: Ints
    vectors: npt.NDArray[np.float32] | None = None
    warm: npt.NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return len(self.time_ms)


def read_tapes(paths: Sequence[Path]) -> list[Tape]:
    """Read files and folders of trade files into one tape per symbol, ordered by symbol.

    Raises:
        TradeFileError: at the first file or row that can't be used.
    """
    rows: dict[str, list[_Row]] = {}
    for path in _files(paths):
        rows.setdefault(symbol_of(path), []).extend(_read_file(path))
    return [tape_of(symbol, rows[symbol]) for symbol in sorted(rows)]


def symbol_of(path: Path) -> str:
    """Read the symbol off a file name: all up to the first `-`, `_` or `.`."""
    symbol = re.split(r"[-_.]", path.name, maxsplit=1)[0]
    try:
        check_identity("file", "trades", symbol, "0")
    except ContractError as error:
        raise TradeFileError(path, 0, "the file's name must begin with the symbol") from error
    return symbol


def tape_of(symbol: str, rows: Iterable[_Row]) -> Tape:
    """Order (id, time, price, size, side) rows by time, drop repeated ids, mark the holes."""
    unique = {row[0]: row for row in rows}
    ordered = sorted(unique.values(), key=lambda row: row[1])
    time_ms = np.array([row[1] for row in ordered], dtype=np.int64)
    return Tape(
        symbol=symbol,
        time_ms=time_ms,
        price=np.array([row[2] for row in ordered], dtype=np.float64),
        size=np.array([row[3] for row in ordered], dtype=np.float64),
        side=np.array([row[4] for row in ordered], dtype=np.int64),
        segment=_segments(time_ms, [row[0] for row in ordered]),
    )


def _segments(time_ms: Ints, ids: list[str]) -> Ints:
    """Count the holes: long silences, and jumps of ids that otherwise step by one."""
    hole = np.diff(time_ms, prepend=time_ms[:1]) > GAP_MS
    if len(ids) > 1 and all(text.isdecimal() and len(text) <= 18 for text in ids):  # noqa: PLR2004
        steps = np.diff(np.array([int(text) for text in ids], dtype=np.int64))
        if np.mean(steps == 1) >= DENSE_SHARE:
            hole[1:] |= steps != 1
    return np.cumsum(hole, dtype=np.int64)


def _files(paths: Sequence[Path]) -> Iterator[Path]:
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        inside = sorted(child for child in path.iterdir() if child.name.endswith(SUFFIXES))
        if not inside:
            raise TradeFileError(path, 0, "the folder holds no .csv or .csv.gz file")
        yield from inside


def _read_file(path: Path) -> list[_Row]:
    line = 1
    rows: list[_Row] = []
    try:
        with _open(path) as handle:
            for line, raw in enumerate(iter(lambda: handle.readline(MAX_LINE_BYTES), b""), start=1):
                text = _text(raw)
                if line > 1:
                    rows.append(_parse(text))
                elif text not in HEADERS:
                    _refuse(f"the header was {text[:80]!r}, must be id,timestamp,price,volume,side")
    except ContractError as error:
        raise TradeFileError(path, line, error.detail) from error
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise TradeFileError(path, line, f"can't be read: {reason}") from error
    if not rows:
        raise TradeFileError(path, line, "the file holds no trades")
    return rows


def _open(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.name.endswith(".gz") else path.open("rb")


def _text(raw: bytes) -> str:
    if len(raw) == MAX_LINE_BYTES:
        _refuse(f"the line is longer than {MAX_LINE_BYTES} bytes")
    try:
        return raw.decode("ascii").rstrip("\r\n")
    except UnicodeDecodeError:
        _refuse("the line is not plain ASCII")


def _parse(text: str) -> _Row:
    fields = text.split(",")
    if len(fields) not in (5, 6):
        _refuse(f"the row has {len(fields)} fields, must have 5 or 6")
    ident, time, price, size, side = fields[:5]
    if not ident:
        _refuse("the id is empty")
    if not (time.isdigit() and len(time) <= MAX_TIME_DIGITS):
        _refuse(f"the timestamp was {time[:40]!r}, must be whole milliseconds")
    check_time("timestamp", int(time))
    check_number("price", price)
    check_number("volume", size)
    sign = _SIDES.get(side.lower())
    if sign is None:
        _refuse(f"the side was {side[:40]!r}, must be buy or sell")
    return ident, int(time), float(price), float(size), sign


def _refuse(detail: str) -> NoReturn:
    raise ContractError("bad_row", detail)
