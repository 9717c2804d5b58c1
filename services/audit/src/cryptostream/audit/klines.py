"""The exchange's side: its candles and its symbols, through pybit's REST client.

https://bybit-exchange.github.io/docs/v5/market/kline: rows are newest first, each
`[start, open, high, low, close, volume, turnover]` as strings, 1,000 at most.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from pybit.unified_trading import HTTP

from cryptostream.audit.model import MINUTE_MS, Bar
from cryptostream.contracts.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Mapping

#: pybit blocks for so long at most; it also bounds how long a shutdown waits for it.
REQUEST_SECONDS: Final = 4
_FIELDS: Final = 7
#: pybit's own handling of "too many visits" sleeps as long as the answer says.
_NO_RETRY: Final = frozenset({-1})


class Exchange:
    """Asks Bybit; raises what pybit raises, which `errors.classify` knows."""

    def __init__(self, rest_url: str, category: str) -> None:
        # One attempt only: pybit's own retries know no back-off.
        self._client = HTTP(
            testnet=False, timeout=REQUEST_SECONDS, max_retries=1, retry_codes=_NO_RETRY
        )
        self._client.endpoint = rest_url.rstrip("/")
        self._category = category

    def symbols(self, quote: str) -> list[str]:
        """Give the symbols that trade now and are quoted in `quote`; spot answers in one page.

        Raises `ContractError` if the answer is not what the exchange documents.
        """
        answer = self._client.get_instruments_info(category=self._category)
        return read_symbols(answer, quote)

    def minutes(self, symbol: str, first_ms: int, end_ms: int) -> dict[int, Bar]:
        """Give the minutes that begin in [first_ms, end_ms) by their start.

        Raises `ContractError` if the answer is not what the exchange documents.
        """
        answer = self._client.get_kline(
            category=self._category,
            symbol=symbol,
            interval=1,
            start=first_ms,
            end=end_ms - 1,
            limit=(end_ms - first_ms) // MINUTE_MS,
        )
        return read_klines(answer)


def read_symbols(answer: Mapping[str, Any], quote: str) -> list[str]:
    """Read the symbols of an answer; raises `ContractError` and nothing else."""
    try:
        rows = answer["result"]["list"]
        return [str(row["symbol"]) for row in rows if row["quoteCoin"] == quote]
    except (KeyError, TypeError) as error:
        raise ContractError("bad_instrument", f"{type(error).__name__}: {error}"[:200]) from error


def read_klines(answer: Mapping[str, Any]) -> dict[int, Bar]:
    """Read the minutes of an answer by their start; raises `ContractError` and nothing else."""
    try:
        return dict(_read_row(row) for row in answer["result"]["list"])
    except ContractError:
        raise
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ContractError("bad_kline", f"{type(error).__name__}: {error}"[:200]) from error


def _read_row(row: list[str]) -> tuple[int, Bar]:
    if len(row) != _FIELDS:
        raise ContractError("bad_kline", f"kline had {len(row)} fields, must have {_FIELDS}")
    values = [float(text) for text in row[1:]]
    if not all(math.isfinite(value) and value >= 0 for value in values):
        raise ContractError("bad_kline", f"kline was {row!r}"[:200])
    return int(row[0]), Bar(*values)
