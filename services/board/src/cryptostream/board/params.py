"""The API's parameters, checked before anything is asked of Elasticsearch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from cryptostream.board.model import SECONDS, ChartInterval
from cryptostream.contracts.errors import CryptostreamError, Failure

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_CANDLES: Final = 3_600
MAX_TRADES: Final = 500
_SYMBOL: Final = re.compile(r"[A-Za-z0-9\-_.@+]{1,64}")
_NUMBER: Final = re.compile(r"[0-9]{1,6}")


class BadParameterError(CryptostreamError, ValueError):
    """A request's parameter can't be used; the text says which, why, and what would do."""

    failure = Failure.POISON

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter


def read_symbol(query: Mapping[str, str]) -> str:
    """Read `symbol`; raises `BadParameterError` unless it could be a symbol."""
    symbol = query.get("symbol", "")
    if not _SYMBOL.fullmatch(symbol):
        raise BadParameterError("symbol", "give one, such as BTCUSDT (letters, digits, -_.@+)")
    return symbol


def read_interval(query: Mapping[str, str]) -> ChartInterval:
    """Read `interval` (default 1m); raises `BadParameterError` for one that isn't kept."""
    interval = query.get("interval", "1m")
    if interval not in SECONDS:
        raise BadParameterError("interval", f"must be one of {', '.join(SECONDS)}")
    return interval


def read_minutes(query: Mapping[str, str], interval: ChartInterval) -> int:
    """Read `minutes` (default 60 or 15), bounded so that a chart has at most `MAX_CANDLES`."""
    most = min(MAX_CANDLES * SECONDS[interval] // 60, 1_440)
    return _read_number(query, "minutes", default=15 if interval == "1s" else 60, most=most)


def read_limit(query: Mapping[str, str]) -> int:
    """Read `limit` (default 100), at most `MAX_TRADES`."""
    return _read_number(query, "limit", default=100, most=MAX_TRADES)


def _read_number(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        raise BadParameterError(name, f"must be a whole number from 1 to {most}")
    return int(text)
