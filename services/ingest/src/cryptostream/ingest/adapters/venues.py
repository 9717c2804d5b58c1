"""The exchanges that are read through ccxt, and the limits that they set. Pure.

Binance   1,024 streams a connection, 5 messages/s from the client, 300 connections in
          5 minutes and IP, each cut after 24 h
          (https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams);
          ccxt itself takes at most 200 symbols in a call
OKX       3 connections/s and IP, 480 requests/h and connection, 64 KB of arguments, cut after
          30 s without a message (https://www.okx.com/docs-v5/en/#overview-websocket)
Coinbase  8 connections/s and IP, 8 unauthenticated messages/s and IP, cut 5 s after the
          handshake if nothing was subscribed
          (https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptostream.ingest.adapters.convert import Record, from_binance, from_coinbase, from_okx

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Venue:
    """One exchange.

    Attributes:
        exchange: its name, ours and ccxt's.
        convert: reads one of its records, given when it was received; raises `ContractError`.
        symbols_per_connection: kept well under the exchange's limits; one request asks for all.
        connect_seconds: the least time between two handshakes of this process.
        dense_ids: whether a symbol's ids have no holes, so that a jump proves a loss.
        options: what ccxt is told beside our own options.
    """

    exchange: str
    convert: Callable[[object, int], Record]
    symbols_per_connection: int
    connect_seconds: float
    dense_ids: bool
    options: dict[str, Any] = field(default_factory=dict)


#: Without this ccxt asks for the futures and options too, hundreds of kilobytes.
_SPOT_ONLY: Final = {"fetchMarkets": {"types": ["spot"]}}

VENUES: Final = {
    venue.exchange: venue
    for venue in (
        # 1 connection/s is what 300 in 5 minutes come to.
        Venue("binance", from_binance, 200, 1.0, dense_ids=True, options=_SPOT_ONLY),
        # OKX does not promise ids without holes, and joins matches into one record.
        Venue("okx", from_okx, 100, 0.5, dense_ids=False, options=_SPOT_ONLY),
        Venue("coinbase", from_coinbase, 50, 0.25, dense_ids=True),
    )
}


def per_connection(venue: Venue, symbols: Sequence[str]) -> list[tuple[str, ...]]:
    """Split the symbols into those of one connection each."""
    size = venue.symbols_per_connection
    return [tuple(symbols[at : at + size]) for at in range(0, len(symbols), size)]
