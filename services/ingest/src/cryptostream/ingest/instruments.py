"""Which symbols there are: Bybit's REST through pybit."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from pybit.unified_trading import HTTP

from cryptostream.contracts.errors import CryptostreamError, Failure, SettingsError
from cryptostream.ingest.errors import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

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


@dataclass(frozen=True, slots=True)
class Choice:
    """Which instruments to read.

    Attributes:
        wanted: names or patterns as of `fnmatch`; empty for all that are quoted in `quote`.
        deny: names or patterns that are left out of either.
    """

    wanted: tuple[str, ...]
    quote: str
    deny: tuple[str, ...] = ()

    @property
    def names(self) -> list[str]:
        """The wanted names that are no patterns and not denied."""
        return [name for name in self.wanted if not _is_pattern(name) and not self._denied(name)]

    def of(self, instruments: Sequence[Instrument]) -> list[str]:
        """Give the symbols to read: names in the order of the wish, then the rest, sorted."""
        known = {row.symbol: row for row in instruments}
        if not self.wanted:
            found = (row.symbol for row in instruments if row.quote == self.quote)
            return sorted(symbol for symbol in found if not self._denied(symbol))
        patterns = [name for name in self.wanted if _is_pattern(name)]
        matched = (name for name in sorted(known) if _matches(name, patterns))
        allowed = [name for name in matched if not self._denied(name)]
        return list(dict.fromkeys([name for name in self.names if name in known] + allowed))

    def _denied(self, symbol: str) -> bool:
        return _matches(symbol, self.deny)


class Listing:
    """The symbols to read, as the exchange lists and delists instruments. Pure."""

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._symbols: list[str] = []
        self._missing: set[str] = set()

    def update(self, instruments: Sequence[Instrument]) -> list[str]:
        """Take a list of instruments in and give the symbols to read.

        A symbol ends only when two lists in a row lack it: one answer may be incomplete.
        """
        found = self._choice.of(instruments)
        missing = set(self._symbols).difference(found)
        kept = [name for name in self._symbols if name in missing and name not in self._missing]
        self._missing = missing
        self._symbols = found + kept
        return list(self._symbols)


class Catalogue:
    """What the exchange lists of what is chosen, asked for now and then.

    Args:
        rest_url: the exchange's base URL.
        category: Bybit's market type.
        choice: which of the instruments to read.
        backoff: gives a new series of waits.
    """

    def __init__(
        self, rest_url: str, category: str, choice: Choice, backoff: Callable[[], Backoff]
    ) -> None:
        self._rest_url = rest_url
        self._category = category
        self._choice = choice
        self._backoff = backoff
        self._listing = Listing(choice)

    async def first(self) -> list[str]:
        """Give the symbols to begin with; raises `SettingsError` or `InstrumentsError`.

        Names that were given are read even if the list of instruments can't be had.
        """
        try:
            instruments = await self._fetch()
        except InstrumentsError as error:
            if not self._choice.names:
                raise
            # The exchange's refusal of an unknown topic finds a wrong name as well, only later.
            log.warning("symbols_not_checked", extra={"fields": {"error": error}})
            return self._choice.names
        choose(instruments, self._choice.wanted, self._choice.quote, self._choice.deny)
        return self._listing.update(instruments)

    async def poll(self, every: float, take: Callable[[list[str]], None]) -> None:
        """Look each `every` seconds for ever and hand over the symbols if they changed."""
        before: set[str] = set()
        while True:
            await asyncio.sleep(every)
            try:
                symbols = self._listing.update(await self._fetch())
            except InstrumentsError as error:
                log.warning("instruments_not_polled", extra={"fields": {"error": error}})
                continue
            if symbols and set(symbols) != before:
                before = set(symbols)
                log.info("listing", extra={"fields": {"symbols": len(symbols)}})
                take(symbols)

    async def _fetch(self) -> list[Instrument]:
        return await fetch_instruments(self._rest_url, self._category, self._backoff())


def choose(
    instruments: Sequence[Instrument], wanted: Iterable[str], quote: str, deny: Iterable[str] = ()
) -> list[str]:
    """Give the symbols to read: the wanted ones, or else all that are quoted in `quote`.

    Raises `SettingsError` if a wanted symbol doesn't trade or nothing is there to read.
    """
    choice = Choice(tuple(wanted), quote, tuple(deny))
    _check_known(choice.names, [instrument.symbol for instrument in instruments])
    symbols = choice.of(instruments)
    if symbols:
        return symbols
    if choice.wanted:
        raise SettingsError("INGEST_SYMBOLS and INGEST_DENY together leave nothing that trades")
    quotes = ", ".join(sorted({row.quote for row in instruments})[:10])
    raise SettingsError(f"INGEST_QUOTE={quote}: nothing is quoted in it; there is {quotes}")


def _is_pattern(name: str) -> bool:
    return any(character in name for character in "*?[")


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _check_known(names: Sequence[str], known: Sequence[str]) -> None:
    unknown = [name for name in names if name not in set(known)]
    if not unknown:
        return
    hints = []
    for name in unknown:
        near = get_close_matches(name.upper(), known, n=SUGGESTIONS, cutoff=0.5)
        hints.append(f"{name} (did you mean {', '.join(near)}?)" if near else name)
    raise SettingsError(f"INGEST_SYMBOLS has symbols that don't trade: {'; '.join(hints)}")
