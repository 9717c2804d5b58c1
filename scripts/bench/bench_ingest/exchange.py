"""`python -m bench_ingest.exchange`: a server that sends pre-rendered frames as fast as it can.

It answers what the clients ask at their start (instruments by REST, subscriptions, pings) and
sends flows on command: `POST /flow` answers when the last byte is with the kernel.
"""

from __future__ import annotations

import argparse
import asyncio
import ssl
import time
from pathlib import Path
from typing import Any, Final

from aiohttp import WSMsgType, web

from bench_ingest.frames import COINS, QUOTE, frames

#: A real exchange is never nearer; pybit forgets an answer that comes before its own bookkeeping.
ACK_SECONDS: Final = 0.05
#: Frames that are due within it leave together.
TICK_SECONDS: Final = 0.0005
BLOCK_FRAMES: Final = 200
HIGH_WATER_BYTES: Final = 1 << 20
_TOPIC: Final = "publicTrade."


class Reader:
    """One client's connection and the symbols that it asked for."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.symbols: set[str] = set()
        self._transport = transport

    async def send(self, block: list[tuple[str, bytes]]) -> None:
        """Send those of the frames that the client asked for; wait while its buffer is full."""
        wanted = self.symbols
        self._transport.write(b"".join(raw for symbol, raw in block if symbol in wanted))
        while self._transport.get_write_buffer_size() > HIGH_WATER_BYTES:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.0005)

    async def drained(self) -> None:
        """Wait until all is with the kernel."""
        while self._transport.get_write_buffer_size():  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.0005)


class Exchange:
    """The routes and who is connected."""

    def __init__(self) -> None:
        self.app = web.Application()
        self.app.router.add_get("/v5/public/spot", self._websocket)
        self.app.router.add_get("/v5/market/instruments-info", _instruments)
        self.app.router.add_get("/v5/market/{what}", _empty)
        self.app.router.add_get("/subscribed", self._subscribed)
        self.app.router.add_post("/flow", self._flow)
        self._readers: set[Reader] = set()

    async def _subscribed(self, _: web.Request) -> web.Response:
        return web.json_response(sum(len(reader.symbols) for reader in self._readers))

    async def _websocket(self, request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False, max_msg_size=1 << 20)
        await ws.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        reader = Reader(transport)
        self._readers.add(reader)
        try:
            async for received in ws:
                if received.type is WSMsgType.TEXT:
                    await _answer(ws, reader, received.json())
        finally:
            self._readers.discard(reader)
        return ws

    async def _flow(self, request: web.Request) -> web.Response:
        asked: dict[str, int] = await request.json()
        first, trades, per_frame = asked["first"], asked["trades"], asked["per_frame"]
        if asked["per_second"]:
            seconds = await self._paced(first, trades, per_frame, asked["per_second"])
        else:
            seconds = await self._burst(first, trades, per_frame)
        return web.json_response({"seconds": seconds})

    async def _burst(self, first: int, trades: int, per_frame: int) -> float:
        ready = list(frames(first, trades, per_frame, _now_ms()))
        started = time.monotonic()
        for start in range(0, len(ready), BLOCK_FRAMES):
            await self._send(ready[start : start + BLOCK_FRAMES])
        for reader in list(self._readers):
            await reader.drained()
        return time.monotonic() - started

    async def _paced(self, first: int, trades: int, per_frame: int, per_second: int) -> float:
        """Send evenly: nothing is saved up beyond one tick."""
        started = time.monotonic()
        sent = 0
        while sent < trades:
            due = min(trades, int((time.monotonic() - started) * per_second))
            due -= 0 if due == trades else due % per_frame
            if due > sent:
                await self._send(list(frames(first + sent, due - sent, per_frame, _now_ms())))
            sent = due
            await asyncio.sleep(TICK_SECONDS)
        return time.monotonic() - started

    async def _send(self, block: list[tuple[str, bytes]]) -> None:
        for reader in list(self._readers):
            await reader.send(block)


async def _answer(ws: web.WebSocketResponse, reader: Reader, asked: dict[str, Any]) -> None:
    answer = {"success": True, "conn_id": "bench", "req_id": asked.get("req_id", "")}
    if asked["op"] == "ping":
        await ws.send_json(answer | {"ret_msg": "pong", "op": "ping"})
        return
    await asyncio.sleep(ACK_SECONDS)
    names = {str(topic).removeprefix(_TOPIC) for topic in asked.get("args", ())}
    if asked["op"] == "subscribe":
        reader.symbols |= names
    else:
        reader.symbols -= names
    await ws.send_json(answer | {"ret_msg": asked["op"], "op": asked["op"]})


async def _instruments(request: web.Request) -> web.Response:
    rows = [_instrument(coin) for coin in COINS] if request.query["category"] == "spot" else []
    return _result({"category": request.query["category"], "list": rows, "nextPageCursor": ""})


async def _empty(_: web.Request) -> web.Response:
    return _result({"list": []})


def _result(result: dict[str, Any]) -> web.Response:
    return web.json_response(
        {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": _now_ms()}
    )


def _instrument(coin: str) -> dict[str, Any]:
    return {
        "symbol": f"{coin}{QUOTE}",
        "baseCoin": coin,
        "quoteCoin": QUOTE,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": "0.000001",
            "quotePrecision": "0.00000001",
            "minOrderQty": "0.000001",
            "maxOrderQty": "1000",
            "minOrderAmt": "1",
            "maxOrderAmt": "1000000",
        },
        "priceFilter": {"tickSize": "0.01"},
    }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


async def _serve(plain_port: int, tls_port: int, certificate: Path) -> None:
    runner = web.AppRunner(Exchange().app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", plain_port).start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    await web.TCPSite(runner, "127.0.0.1", tls_port, ssl_context=context).start()
    await asyncio.Event().wait()


def main() -> None:
    """Serve until killed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plain-port", type=int, required=True)
    parser.add_argument("--tls-port", type=int, required=True)
    parser.add_argument("--certificate", type=Path, required=True)
    given = parser.parse_args()
    asyncio.run(_serve(given.plain_port, given.tls_port, given.certificate))


if __name__ == "__main__":
    main()
