"""Which symbols there are: Bybit's REST through pybit."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from pybit.unified_trading import HTTP

from cryptostream.contracts.errors import CryptostreamError, Failure, SettingsError
from cryptostream.ingest.errors import classify

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptostream.ingest.backoff import Backoff

#: pybit blocks a thread for so long at most; it also bounds how long a shutdown waits for it.
REQUEST_SECONDS: Final = 4
#: Spot answers in one page; derivatives have some 700 instruments in pages of 1,000.
MAX_PAGES: Final = 10
ATTEMPTS: Final = 6
SUGGESTIONS: Final = 3

log = logging.getLogger(__name__)


class InstrumentsError(CryptostreamError):
    """The list of instruments can't be had."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """A symbol that trades, and the coin its price is in."""

    symbol: str
    quote: str


async def fetch_instruments(rest_url: str, category: str, backoff: Backoff) -> list[Instrument]:
    """Give the instruments that trade now; raises `InstrumentsError` after the last attempt."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return await asyncio.to_thread(_fetch, rest_url, category)
        except Exception as error:  # what pybit raises is classified, not swallowed
            if classify(error) is not Failure.TRANSIENT or attempt == ATTEMPTS:
                raise InstrumentsError(
                    f"{rest_url} gave no instruments ({str(error)[:200]}): check INGEST_REST_URL"
                ) from error
            fields = {"attempt": attempt, "error": error}
            log.warning("instruments_not_fetched", extra={"fields": fields})
        await asyncio.sleep(backoff.next_delay())
    raise AssertionError("the last attempt returns or raises")


def _fetch(rest_url: str, category: str) -> list[Instrument]:
    # One attempt only: pybit's own retries know no back-off.
    client = HTTP(testnet=False, timeout=REQUEST_SECONDS, max_retries=1)
    client.endpoint = rest_url.rstrip("/")
    found: list[Instrument] = []
    cursor = ""
    for _ in range(MAX_PAGES):
        page = {"cursor": cursor} if cursor else {}
        result = client.get_instruments_info(category=category, **page)["result"]
        found.extend(
            Instrument(str(row["symbol"]), str(row["quoteCoin"]))
            for row in result["list"]
            if row["status"] == "Trading"
        )
        cursor = result.get("nextPageCursor") or ""
        if not cursor:
            break
    return found


def choose(instruments: Sequence[Instrument], wanted: Iterable[str], quote: str) -> list[str]:
    """Give the symbols to read: the wanted ones, or else all that are quoted in `quote`.

    Raises `SettingsError` if a wanted symbol doesn't trade or nothing is quoted in `quote`.
    """
    names = list(wanted)
    if names:
        _check_known(names, [instrument.symbol for instrument in instruments])
        return names
    symbols = sorted(row.symbol for row in instruments if row.quote == quote)
    if not symbols:
        quotes = ", ".join(sorted({row.quote for row in instruments})[:10])
        raise SettingsError(f"INGEST_QUOTE={quote}: nothing is quoted in it; there is {quotes}")
    return symbols


def _check_known(names: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in set(known)]
    if not unknown:
        return
    hints = []
    for name in unknown:
        near = get_close_matches(name.upper(), known, n=SUGGESTIONS, cutoff=0.5)
        hints.append(f"{name} (did you mean {', '.join(near)}?)" if near else name)
    raise SettingsError(f"INGEST_SYMBOLS has symbols that don't trade: {'; '.join(hints)}")
