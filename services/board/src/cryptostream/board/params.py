"""The API's parameters, checked before anything is asked of Elasticsearch."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from cryptostream.board.model import SECONDS, ChartInterval
from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.contracts.trade import MAX_TIME_MS, MIN_TIME_MS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MAX_CANDLES: Final = 3_600
MAX_TRADES: Final = 500
#: 30 days.
MAX_MINUTES: Final = 43_200
MAX_RANGE_DAYS: Final = 92
MAX_RANGE_MS: Final = MAX_RANGE_DAYS * 86_400_000
#: Percent; a model that leans to neither side.
EVEN: Final = 50
_PART: Final = r"[A-Za-z0-9\-_.@+]{1,64}"
_SYMBOL: Final = re.compile(f"(?:{_PART}:{_PART}:)?{_PART}")
_NUMBER: Final = re.compile(r"[0-9]{1,13}")


class BadParameterError(CryptostreamError, ValueError):
    """A request's parameter can't be used; the text says which, why, and what would do."""

    failure = Failure.POISON

    def __init__(self, parameter: str, problem: str) -> None:
        super().__init__(f"{parameter}: {problem}")
        self.parameter = parameter


def read_symbol(query: Mapping[str, str]) -> str:
    """Read `symbol`, bare or as a key; raises `BadParameterError` unless it could be one."""
    symbol = query.get("symbol", "")
    if not _SYMBOL.fullmatch(symbol):
        raise BadParameterError("symbol", "give one, such as BTCUSDT or bybit:spot:BTCUSDT")
    return symbol


def read_interval(query: Mapping[str, str]) -> ChartInterval:
    """Read `interval` (default 1m); raises `BadParameterError` for one that isn't kept."""
    interval = query.get("interval", "1m")
    if interval not in SECONDS:
        raise BadParameterError("interval", f"must be one of {', '.join(SECONDS)}")
    return interval


def read_minutes(query: Mapping[str, str], interval: ChartInterval) -> int:
    """Read `minutes` (default 60 or 15), bounded so that a chart has at most `MAX_CANDLES`."""
    most = min(MAX_CANDLES * SECONDS[interval] // 60, MAX_MINUTES)
    return _read_number(query, "minutes", default=15 if interval == "1s" else 60, most=most)


def read_limit(query: Mapping[str, str]) -> int:
    """Read `limit` (default 100), at most `MAX_TRADES`."""
    return _read_number(query, "limit", default=100, most=MAX_TRADES)


def _read_number(query: Mapping[str, str], name: str, *, default: int, most: int) -> int:
    text = query.get(name, str(default))
    if not _NUMBER.fullmatch(text) or not 1 <= int(text) <= most:
        raise BadParameterError(name, f"must be a whole number from 1 to {most}")
    return int(text)


def read_time(query: Mapping[str, str], name: str) -> int | None:
    """Read a time in epoch milliseconds; None where there is none."""
    text = query.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text) or not MIN_TIME_MS <= int(text) <= MAX_TIME_MS:
        raise BadParameterError(name, "must be a time in epoch milliseconds")
    return int(text)


def read_range(query: Mapping[str, str]) -> tuple[int, int]:
    """Read `from` and `to`, epoch milliseconds; the range is [from, to)."""
    begin, end = read_time(query, "from"), read_time(query, "to")
    if begin is None or end is None:
        raise BadParameterError("from", "give from and to in epoch milliseconds")
    if not 0 < end - begin <= MAX_RANGE_MS:
        raise BadParameterError("to", f"must be later than from, by at most {MAX_RANGE_DAYS} days")
    return begin, end


def read_choice(query: Mapping[str, str], name: str, choices: Collection[str]) -> str | None:
    """Read one of the choices; None where nothing is given."""
    text = query.get(name) or None
    if text is not None and text not in choices:
        raise BadParameterError(name, f"must be one of {', '.join(choices)}")
    return text


class TradeFilter(NamedTuple):
    """Which trades are shown.

    `confidence` is in percent: the probability of the direction that the model leans to.
    """

    side: str | None = None
    prediction: str | None = None
    confidence: int = 50

    def filters(self) -> list[dict[str, Any]]:
        """Give Elasticsearch's filters."""
        found: list[dict[str, Any]] = []
        if self.side:
            found.append({"term": {"side": self.side}})
        if self.prediction == "none":
            found.append({"bool": {"must_not": [{"exists": {"field": "prediction.p_up"}}]}})
        elif self.prediction:
            found.append({"term": {"prediction.direction": self.prediction}})
        if self.confidence > EVEN:
            sure = self.confidence / 100
            either = [{"gte": sure}, {"lte": round(1 - sure, 4)}]
            found.append({"bool": {"should": [{"range": {"prediction.p_up": r}} for r in either]}})
        return found


def read_filter(query: Mapping[str, str]) -> TradeFilter:
    """Read `side`, `prediction` and `confidence`."""
    return TradeFilter(
        side=read_choice(query, "side", ("buy", "sell")),
        prediction=read_choice(query, "prediction", ("up", "down", "none")),
        confidence=_read_number(query, "confidence", default=EVEN, most=99),
    )
