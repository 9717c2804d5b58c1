"""Binance's spot market streams and exchange information.

https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web
from support.exchanges.base import Fill, SimulatedExchange, reply

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_STREAMS = 1_024
MESSAGES_PER_SECOND = 5


class Binance(SimulatedExchange):
    """Each fill is an event of its own; `m` says whether the buyer was the maker."""

    ws_path = "/stream/ws/{number}"

    @property
    def ws_url(self) -> str:
        """By `/stream` in the URL ccxt tells spot from futures."""
        return f"ws://{self.url}/stream"

    def routes(self) -> list[web.RouteDef]:
        """Serve /api/v3/exchangeInfo."""

        async def exchange_info(_: web.Request) -> web.Response:
            symbols = [_instrument(symbol) for symbol in self.symbols]
            return reply({"timezone": "UTC", "serverTime": 1_791_457_528_951, "rateLimits": [],
                          "exchangeFilters": [], "symbols": symbols})  # fmt: skip

        return [web.get("/api/v3/exchangeInfo", exchange_info)]

    async def on_text(self, ws: web.WebSocketResponse, text: str) -> None:
        """Subscribe; names that don't exist are accepted as well."""
        self.count_request(ws, MESSAGES_PER_SECOND)
        request = json.loads(text)
        if request["method"] == "SUBSCRIBE":
            names = [name.removesuffix("@trade").upper() for name in request["params"]]
            self.topics[ws].update(names)
            if len(self.topics[ws]) > MAX_STREAMS:
                self.broken_rules["streams"] += 1
        await ws.send_json({"result": None, "id": request["id"]})

    def frames(self, fills: Sequence[Fill]) -> list[str]:
        """Write a raw event per fill."""
        return [
            json.dumps(
                {"e": "trade", "E": fill.time_ms + 2, "s": fill.symbol, "t": fill.number,
                 "p": fill.price, "q": fill.size, "T": fill.time_ms, "m": fill.taker == "sell",
                 "M": True}
            )
            for fill in fills
        ]  # fmt: skip


def _instrument(symbol: str) -> dict[str, Any]:
    base, quote = symbol[:-4], symbol[-4:]
    return {
        "symbol": symbol, "status": "TRADING", "baseAsset": base, "baseAssetPrecision": 8,
        "quoteAsset": quote, "quotePrecision": 8, "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"], "icebergAllowed": True, "ocoAllowed": True,
        "isSpotTradingAllowed": True, "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000.00",
             "tickSize": "0.01"},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0",
             "stepSize": "0.00001"},
        ],
        "permissions": [], "permissionSets": [["SPOT"]],
    }  # fmt: skip
