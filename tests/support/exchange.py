"""An exchange that misbehaves on demand: what the simulator, being true, never does."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = dict[str, Any] | None


def obey(request: dict[str, Any]) -> dict[str, Any]:
    """Answer as spot does when all is well."""
    text = {"ping": "pong"}.get(request["op"], request["op"])
    return {"success": True, "ret_msg": text, "conn_id": "c", "req_id": request["req_id"],
            "op": request["op"]}  # fmt: skip


def trades_frame(symbol: str, ids: list[str], *, time_ms: int = 1_791_457_528_951) -> bytes:
    """Write a spot frame with one trade per id."""
    data = [
        {"i": one, "T": time_ms, "p": "82680", "v": "0.5", "S": "Buy", "seq": 1, "s": symbol,
         "BT": False, "RPI": False}
        for one in ids
    ]  # fmt: skip
    frame = {"topic": f"publicTrade.{symbol}", "ts": time_ms + 1, "type": "snapshot", "data": data}
    return json.dumps(frame).encode()


class FakeExchange:
    """A WebSocket server whose answers a test chooses.

    Attributes:
        answer: gives the answer to a request, or None to keep silent.
        status: answers handshakes with this HTTP status if it is no 0.
        requests: every request so far, of all connections.
        open: the connections that are open now.
        accepted: how many handshakes succeeded so far.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], Answer] = obey) -> None:
        self.answer = answer
        self.status = 0
        self.requests: list[dict[str, Any]] = []
        self.open: list[web.WebSocketResponse] = []
        self.accepted = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/v5/public/spot", self._handle)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"ws://127.0.0.1:{self._runner.addresses[0][1]}/v5/public/spot"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop()
        await self._runner.cleanup()

    def asked(self, op: str) -> list[dict[str, Any]]:
        """Give the requests of one kind."""
        return [request for request in self.requests if request["op"] == op]

    async def push(self, raw: bytes) -> None:
        """Send a frame to every connection."""
        for ws in list(self.open):
            await ws.send_str(raw.decode())

    async def drop(self) -> None:
        """Cut every connection without a word."""
        for ws in list(self.open):
            transport = ws._req.transport if ws._req else None
            if transport is not None:
                transport.abort()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        if self.status:
            return web.Response(status=self.status)
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.accepted += 1
        self.open.append(ws)
        try:
            async for message in ws:
                if message.type is not WSMsgType.TEXT:
                    break
                asked = json.loads(message.data)
                self.requests.append(asked)
                answer = self.answer(asked)
                if answer is not None:
                    await ws.send_json(answer)
        finally:
            self.open.remove(ws)
        return ws
