"""OKX's public WebSocket channel `trades` and its list of instruments.

https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-trades-channel
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from aiohttp import web
from support.exchanges.base import Fill, SimulatedExchange, reply

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_REQUEST_BYTES = 64 * 1024


class Okx(SimulatedExchange):
    """A record joins the matches of one taker order at one price, under the id of the last."""

    ws_path = "/ws/v5/public"

    def routes(self) -> list[web.RouteDef]:
        """Serve /api/v5/public/instruments."""

        async def instruments(request: web.Request) -> web.Response:
            assert request.query["instType"] == "SPOT"
            data = [_instrument(symbol) for symbol in self.symbols]
            return reply({"code": "0", "msg": "", "data": data})

        return [web.get("/api/v5/public/instruments", instruments)]

    async def on_text(self, ws: web.WebSocketResponse, text: str) -> None:
        """Answer pings, and each argument of a subscription by itself."""
        if text == "ping":
            await ws.send_str("pong")
            return
        if len(text) > MAX_REQUEST_BYTES:
            self.broken_rules["bytes"] += 1
        for arg in json.loads(text)["args"]:
            if arg["instId"] not in self.symbols or arg["channel"] != "trades":
                wrong = f"Wrong URL or channel:trades,instId:{arg['instId']} doesn't exist."
                await ws.send_json(
                    {"event": "error", "code": "60018", "msg": wrong, "connId": "a4d3ae55"}
                )
                continue
            self.topics[ws].add(arg["instId"])
            await ws.send_json({"event": "subscribe", "arg": arg, "connId": "a4d3ae55"})

    def frames(self, fills: Sequence[Fill]) -> list[str]:
        """Write a message per fill."""
        return [
            json.dumps(
                {
                    "arg": {"channel": "trades", "instId": fill.symbol},
                    "data": [
                        {"instId": fill.symbol, "tradeId": str(fill.number), "px": fill.price,
                         "sz": fill.size, "side": fill.taker, "ts": str(fill.time_ms),
                         "count": str(fill.joined), "source": "0", "seqId": fill.number}
                    ],
                }
            )
            for fill in fills
        ]  # fmt: skip


def _instrument(symbol: str) -> dict[str, Any]:
    base, quote = symbol.split("-")
    return {
        "instType": "SPOT", "instId": symbol, "uly": "", "instFamily": "", "category": "1",
        "baseCcy": base, "quoteCcy": quote, "settleCcy": "", "ctVal": "", "ctMult": "",
        "ctValCcy": "", "optType": "", "stk": "", "listTime": "1606468572000", "expTime": "",
        "lever": "10", "tickSz": "0.1", "lotSz": "0.00000001", "minSz": "0.00001", "ctType": "",
        "alias": "", "state": "live", "ruleType": "normal", "maxLmtSz": "9999999999",
    }  # fmt: skip
