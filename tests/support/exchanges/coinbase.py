"""Coinbase's Advanced Trade channel `market_trades` and its list of products.

https://docs.cdp.coinbase.com/coinbase-app/advanced-trade-apis/websocket
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aiohttp import web
from support.exchanges.base import Fill, SimulatedExchange, reply

if TYPE_CHECKING:
    from collections.abc import Sequence

MESSAGES_PER_SECOND = 8


class Coinbase(SimulatedExchange):
    """An update holds the trades of 250 ms, of all products, the newest first; sides are makers'.

    A subscription is answered with a snapshot of each product's last trades.
    """

    ws_path = "/"

    def routes(self) -> list[web.RouteDef]:
        """Serve the public products; there are no futures."""

        async def products(request: web.Request) -> web.Response:
            spot = request.query.get("product_type") != "FUTURE"
            found = [_product(symbol) for symbol in self.symbols] if spot else []
            return reply({"products": found, "num_products": len(found)})

        return [web.get("/api/v3/brokerage/market/products", products)]

    async def on_text(self, ws: web.WebSocketResponse, text: str) -> None:
        """Subscribe, and send the snapshot."""
        self.count_request(ws, MESSAGES_PER_SECOND)
        request = json.loads(text)
        assert (request["type"], request["channel"]) == ("subscribe", "market_trades")
        new = [name for name in request["product_ids"] if name not in self.topics[ws]]
        self.topics[ws].update(new)
        listed = sorted(self.topics[ws])
        await ws.send_str(_message("subscriptions", {"subscriptions": {"market_trades": listed}}))
        for name in new:
            if fills := list(self.recent[name]):
                await ws.send_str(_trades("snapshot", fills))
                self.sent += fills

    def frames(self, fills: Sequence[Fill]) -> list[str]:
        """Write one update."""
        return [_trades("update", fills)]


def _trades(kind: str, fills: Sequence[Fill]) -> str:
    trades = [
        {"product_id": fill.symbol, "trade_id": str(fill.number), "price": fill.price,
         "size": fill.size, "time": _time(fill.time_ms),
         "side": "SELL" if fill.taker == "buy" else "BUY"}
        for fill in reversed(fills)
    ]  # fmt: skip
    return _message("market_trades", {"type": kind, "trades": trades})


def _message(channel: str, event: dict[str, Any]) -> str:
    return json.dumps(
        {"channel": channel, "client_id": "", "timestamp": "2026-10-08T11:05:28.950123456Z",
         "sequence_num": 0, "events": [event]}
    )  # fmt: skip


def _time(time_ms: int) -> str:
    when = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{when}.{time_ms % 1000:03d}456789Z"


def _product(symbol: str) -> dict[str, Any]:
    base, quote = symbol.split("-")
    return {
        "product_id": symbol, "price": "100.00", "base_increment": "0.00000001",
        "quote_increment": "0.01", "quote_min_size": "1", "quote_max_size": "50000000",
        "base_min_size": "0.00000001", "base_max_size": "10000", "base_name": base,
        "quote_name": quote, "watched": False, "is_disabled": False, "new": False,
        "status": "online", "cancel_only": False, "limit_only": False, "post_only": False,
        "trading_disabled": False, "auction_mode": False, "product_type": "SPOT",
        "quote_currency_id": quote, "base_currency_id": base, "base_display_symbol": base,
        "quote_display_symbol": quote, "price_increment": "0.01", "view_only": False,
    }  # fmt: skip
