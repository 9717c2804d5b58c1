"""The lines of a dump as rows. Pure.

Bybit's public spot dumps have the header `id,timestamp,price,volume,side`, since March 2025 with a
further `rpi` (0 or 1). `id` counts from 1 in each file, times are epoch milliseconds, sides lower
case (https://public.bybit.com/spot/).
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

from cryptostream.audit.errors import DumpError
from cryptostream.audit.model import Key, Row
from cryptostream.contracts.trade import MAX_NUMBER, MAX_NUMBER_CHARS, MIN_NUMBER

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DAY_MS: Final = 86_400_000
MAX_LINE_BYTES: Final = 512
_HEADERS: Final = (b"id,timestamp,price,volume,side", b"id,timestamp,price,volume,side,rpi")
_TIME: Final = re.compile(r"[0-9]{13}")
#: Small numbers may come as `1e-05`.
_NUMBER: Final = re.compile(r"[0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]{1,2})?")
_SIDES: Final = {"buy": "buy", "sell": "sell", "Buy": "buy", "Sell": "sell"}


def read_rows(lines: Iterable[bytes], day_ms: int) -> Iterator[Row]:
    """Read a dump's lines, the header first; raises `DumpError` naming the line.

    Args:
        lines: at most `MAX_LINE_BYTES` each; a longer one is malformed.
        day_ms: the day's first millisecond; a row of another day is malformed.
    """
    seen: Counter[int] = Counter()
    columns = 0
    for at, line in enumerate(lines, start=1):
        text = line.strip()
        if at == 1:
            if text not in _HEADERS:
                raise DumpError(f"line 1: the header was {text[:80]!r}, must be {_HEADERS[0]!r}")
            columns = text.count(b",") + 1
        elif text:
            key, rpi = _read_row(text, at, columns, day_ms)
            yield Row(key, seen[key.time], rpi)
            seen[key.time] += 1
    if not columns:
        raise DumpError("line 1: the file is empty")


def _read_row(line: bytes, at: int, columns: int, day_ms: int) -> tuple[Key, bool]:
    fields = line.decode("ascii", "replace").split(",")
    if len(line) >= MAX_LINE_BYTES or len(fields) != columns:
        raise DumpError(f"line {at}: {line[:80]!r} has {len(fields)} fields, must have {columns}")
    _, time, price, volume, side = fields[:5]
    if not _TIME.fullmatch(time) or not day_ms <= int(time) < day_ms + DAY_MS:
        raise DumpError(f"line {at}: the time {time[:40]!r} is none of this day in milliseconds")
    if side not in _SIDES:
        raise DumpError(f"line {at}: the side was {side[:40]!r}")
    key = Key(int(time), _number(price, at), _number(volume, at), _SIDES[side])
    return key, fields[-1] == "1" if columns == _HEADERS[1].count(b",") + 1 else False


def _number(text: str, at: int) -> float:
    if len(text) > MAX_NUMBER_CHARS or not _NUMBER.fullmatch(text):
        raise DumpError(f"line {at}: {text[:40]!r} is no number")
    value = float(text)
    if not MIN_NUMBER <= value <= MAX_NUMBER:
        raise DumpError(f"line {at}: {text} is out of range")
    return value
