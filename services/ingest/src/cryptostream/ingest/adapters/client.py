"""The part of ccxt pro that is used, imported when first needed: it costs about 70 MB.

`watch` is called for its connection, its subscriptions and its errors alone. What it returns is
passed over, since it loses trades: it hands out one symbol's cache at a time, keeps the newest
1,000 trades of a symbol silently, and files a Coinbase frame of several products under the first
one. `drain` takes all caches and empties them instead, so that nothing comes twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from cryptostream.contracts.errors import CryptostreamError
from cryptostream.ingest.errors import ConnectionLostError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.ingest.adapters.venues import Venue

#: A symbol's trades that ccxt keeps for us; about 10 MB, and seconds of the busiest market.
CACHE_TRADES: Final = 10_000
#: ccxt pings at this interval and gives up after two without a pong. Its own 180 s for Binance
#: would leave a dead connection unnoticed for six minutes.
KEEP_ALIVE_SECONDS: Final = 10.0
REQUEST_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 2.0


class AdapterError(CryptostreamError):
    """ccxt or the exchange refuses what we ask for; trying again would not help."""


class Client:
    """One ccxt exchange object: at most one WebSocket connection.

    Args:
        venue: the exchange.
        rest_url: where its REST interface is, if not where ccxt knows it to be.
        ws_url: the same for its WebSocket; Binance's must contain `/stream`, by which ccxt tells
            spot from futures.
        keep_alive: seconds between pings.
    """

    def __init__(
        self,
        venue: Venue,
        *,
        rest_url: str = "",
        ws_url: str = "",
        keep_alive: float = KEEP_ALIVE_SECONDS,
    ) -> None:
        kind = getattr(importlib.import_module(f"ccxt.pro.{venue.exchange}"), venue.exchange)
        options = {"defaultType": "spot", "tradesLimit": CACHE_TRADES, **venue.options}
        self._ccxt = kind(
            {
                "options": options,
                "streaming": {"keepAlive": int(keep_alive * 1000)},
                # Nothing of the currencies is needed, and the request for them may need a key.
                "has": {"fetchCurrencies": False},
                "timeout": int(REQUEST_SECONDS * 1000),
                "enableRateLimit": True,
            }
        )
        bases = {"http": rest_url.rstrip("/"), "ws": ws_url.rstrip("/")}
        self._ccxt.urls["api"] = _rebased(self._ccxt.urls["api"], bases)

    @property
    def connected(self) -> bool:
        """Whether the WebSocket stands."""
        clients = list((self._ccxt.clients or {}).values())
        return any(one.isConnected and not one.closed() for one in clients)

    async def load(self) -> None:
        """Fetch the exchange's instruments; raises as `watch` does."""
        try:
            await self._ccxt.load_markets()
        except Exception as error:  # every failure is translated
            raise translate(error) from error

    def share(self, other: Client) -> None:
        """Use the instruments that another client has loaded."""
        self._ccxt.set_markets_from_exchange(other._ccxt)

    def instruments(self) -> dict[str, tuple[str, str]]:
        """Give the active spot instruments: unified symbol -> (the exchange's own, quote)."""
        return {
            unified: (str(market["id"]), str(market["quote"]))
            for unified, market in self._ccxt.markets.items()
            if market["spot"] and market["active"] is not False
        }

    async def watch(self, symbols: Sequence[str]) -> None:
        """Wait for trades, after connecting and subscribing if need be.

        Raises `ConnectionLostError` for what passes, `AdapterError` for what does not.
        """
        try:
            await self._ccxt.watch_trades_for_symbols(list(symbols))
        except Exception as error:  # every failure is translated
            raise translate(error) from error

    def drain(self) -> tuple[list[object], list[str]]:
        """Give the records received since the last call, and the symbols whose cache was full."""
        records: list[object] = []
        full: list[str] = []
        for symbol, cache in self._ccxt.trades.items():
            kept = list(cache)
            if len(kept) >= CACHE_TRADES:
                full.append(symbol)
            records += [trade["info"] for trade in kept]
            cache.clear()
        return records, full

    async def close(self) -> None:
        """Close the connection; a peer that is gone is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._ccxt.close()


def translate(error: Exception) -> CryptostreamError:
    """Tell ccxt's passing failures from the others.

    ccxt raises on every close, so its NetworkError is the ordinary end of a connection.
    """
    ccxt: Any = importlib.import_module("ccxt.base.errors")
    text = str(error)[:200]
    match error:
        case ccxt.RequestTimeout():
            return ConnectionLostError("timeout", text)
        case ccxt.DDoSProtection() | ccxt.RateLimitExceeded():
            return ConnectionLostError("rate_limited", text)
        case ccxt.ExchangeNotAvailable():
            return ConnectionLostError("unavailable", text)
        case ccxt.NetworkError() | OSError():
            return ConnectionLostError("closed", text)
        case _:
            return AdapterError(f"{type(error).__name__}: {text}")


def _rebased(node: Any, bases: dict[str, str]) -> Any:
    """Put other bases before the paths of ccxt's URLs, however deep they are nested."""
    if isinstance(node, dict):
        return {key: _rebased(value, bases) for key, value in node.items()}
    if not isinstance(node, str):
        return node
    parts = urlsplit(node)
    base = bases.get(parts.scheme.removesuffix("s"), "")
    return base + parts.path if base else node
