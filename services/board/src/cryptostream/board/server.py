"""Routes: the page, its API and the event stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cryptostream.board import params, parse, queries
from cryptostream.board.hub import Hub, now_ms
from cryptostream.board.model import CandleDocument, TradeDocument, candle_row, tape_row
from cryptostream.board.search import Search, SearchError
from cryptostream.board.viewers import Viewer, event
from cryptostream.contracts.indices import CANDLES_INDICES, TRADES_INDICES

if TYPE_CHECKING:
    from cryptostream.board.metrics import Metrics

log = logging.getLogger(__name__)

STATIC: Final = Path(__file__).parent / "static"
#: A viewer whose connection takes nothing for so long is gone.
WRITE_TIMEOUT_SECONDS: Final = 20.0
RETRY_MS: Final = 1_000
SECURITY_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Board:
    """The handlers, over what they read from."""

    def __init__(self, hub: Hub, search: Search, metrics: Metrics) -> None:
        self._hub = hub
        self._search = search
        self._metrics = metrics

    def app(self) -> web.Application:
        """Make the application; it doesn't run the hub."""
        app = web.Application(middlewares=[_errors_as_json])
        app.router.add_get("/", _page)
        app.router.add_get("/api/symbols", self.symbols)
        app.router.add_get("/api/candles", self.candles)
        app.router.add_get("/api/trades", self.trades)
        app.router.add_get("/api/stream", self.stream)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/metrics", self.metrics)
        app.router.add_static("/static", STATIC)
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._close_streams)
        return app

    async def _close_streams(self, _app: web.Application) -> None:
        self._hub.viewers.close()

    async def symbols(self, _request: web.Request) -> web.Response:
        """Every known symbol with last price and change, by name."""
        return _json({"symbols": self._hub.market.prices()})

    async def candles(self, request: web.Request) -> web.Response:
        """Give the candles of `symbol`, `interval` and the newest `minutes`, oldest first."""
        symbol = params.read_symbol(request.query)
        interval = params.read_interval(request.query)
        minutes = params.read_minutes(request.query, interval)
        body = queries.candles_body(symbol, interval, minutes)
        answer = await self._search.ask(CANDLES_INDICES, body)
        kept = parse.window(parse.documents(answer, CandleDocument), interval, minutes)
        return _json({"symbol": symbol, "candles": [candle_row(one) for one in kept]})

    async def trades(self, request: web.Request) -> web.Response:
        """Give the newest `limit` trades of `symbol`, newest first."""
        symbol = params.read_symbol(request.query)
        body = queries.trades_body(symbol, params.read_limit(request.query))
        found = parse.documents(await self._search.ask(TRADES_INDICES, body), TradeDocument)
        return _json({"symbol": symbol, "trades": [tape_row(one) for one in found]})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Push `tick`, `pulse` and `reset` events of `symbol` until either side ends it."""
        viewer = self._hub.viewers.join(params.read_symbol(request.query))
        if viewer is None:
            return _error(503, "too_many_viewers", "The board is full; try again later")
        try:
            return await self._push(request, viewer)
        finally:
            self._hub.viewers.leave(viewer)

    async def _push(self, request: web.Request, viewer: Viewer) -> web.StreamResponse:
        response = web.StreamResponse(
            headers={
                "Content-Type": "text/event-stream",
                "Cache-Control": "no-store",
                "X-Accel-Buffering": "no",
            }
        )
        await response.prepare(request)
        tick = self._hub.market.tick(viewer.symbol, now_ms())
        first: bytes | None = f"retry: {RETRY_MS}\n\n".encode() + event("tick", tick)
        try:
            while first is not None:
                await asyncio.wait_for(response.write(first), WRITE_TIMEOUT_SECONDS)
                first = await viewer.take()
        except (ConnectionError, TimeoutError):
            log.debug("viewer_lost", extra={"fields": {"symbol": viewer.symbol}})
        return response

    async def healthz(self, _request: web.Request) -> web.Response:
        """Say that the page is served, and which of its servers answer."""
        market = self._hub.market
        return _json({"status": "ok", "elasticsearch": market.elasticsearch, "kafka": market.kafka})

    async def metrics(self, _request: web.Request) -> web.Response:
        """Give the board's own metrics to Prometheus."""
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )


async def _page(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html")


def _json(content: Any, status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content), status=status, content_type="application/json"
    )


def _error(status: int, code: str, detail: str) -> web.Response:
    return _json({"error": code, "detail": detail}, status)


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except params.BadParameterError as error:
        return _error(400, "bad_parameter", str(error))
    except SearchError as error:
        return _error(503, "search_failed", str(error))
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004
            raise
        return _error(error.status, error.reason.lower().replace(" ", "_"), request.path[:200])


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    # Without a build step no file name tells its version, so browsers must ask each time.
    response.headers.setdefault("Cache-Control", "no-cache")
    response.headers.popall("Server", None)
