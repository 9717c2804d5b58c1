"""Routes: the page, its API and the event stream."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cryptostream.board import params, parse, queries
from cryptostream.board.answers import as_error, as_json
from cryptostream.board.hub import Hub, now_ms
from cryptostream.board.instruments import read_key
from cryptostream.board.model import CandleDocument, TradeDocument, candle_row, tape_row
from cryptostream.board.past import Past
from cryptostream.board.search import Search, SearchError
from cryptostream.board.viewers import Viewer, event
from cryptostream.board.views import Views
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

    def __init__(
        self,
        hub: Hub,
        search: Search,
        metrics: Metrics,
        *middlewares: Callable[..., Any],
        memory_url: str = "",
    ) -> None:
        self._memory_url = memory_url
        self._middlewares = middlewares
        self._hub = hub
        self._search = search
        self._metrics = metrics

    def app(self) -> web.Application:
        """Make the application; it doesn't run the hub."""
        app = web.Application(middlewares=[_errors_as_json, *self._middlewares])
        app.router.add_get("/", _page)
        app.router.add_get("/api/symbols", self.symbols)
        app.router.add_get("/api/candles", self.candles)
        app.router.add_get("/api/trades", self.trades)
        app.router.add_get("/api/stream", self.stream)
        app.router.add_get("/healthz", self.healthz)
        app.router.add_get("/metrics", self.metrics)
        Views(self._hub, self._search, self._memory_url).add_to(app.router)
        Past(self._hub, self._search).add_to(app.router)
        app.router.add_static("/static", STATIC)
        app.on_response_prepare.append(_add_headers)
        app.on_shutdown.append(self._close_streams)
        return app

    async def _close_streams(self, _app: web.Application) -> None:
        self._hub.viewers.close()

    def _key(self, request: web.Request) -> str:
        return self._hub.market.resolve(params.read_symbol(request.query))

    async def symbols(self, _request: web.Request) -> web.Response:
        """Every known instrument with last price and change, by key."""
        return as_json({"symbols": self._hub.market.prices()})

    async def candles(self, request: web.Request) -> web.Response:
        """Give the `interval` candles of `symbol` in the newest `minutes`, oldest first.

        With `until` (epoch milliseconds) those up to then.
        """
        key = self._key(request)
        interval = params.read_interval(request.query)
        minutes = params.read_minutes(request.query, interval)
        until = params.read_time(request.query, "until")
        body = queries.candles_body(read_key(key), interval, minutes, until)
        answer = await self._search.ask(CANDLES_INDICES, body)
        kept = parse.window(parse.documents(answer, CandleDocument), interval, minutes)
        return as_json({"key": key, "candles": [candle_row(one) for one in kept]})

    async def trades(self, request: web.Request) -> web.Response:
        """Give the newest `limit` trades of `symbol`, newest first, `until` a time if given.

        `side`, `prediction` (up, down, none) and `confidence` (percent) narrow them.
        """
        key, query = self._key(request), request.query
        limit, until = params.read_limit(query), params.read_time(query, "until")
        body = queries.trades_body(read_key(key), limit, until, params.read_filter(query))
        found = parse.documents(await self._search.ask(TRADES_INDICES, body), TradeDocument)
        return as_json({"key": key, "trades": [tape_row(one) for one in found]})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        """Push events about `symbol` until either side ends it."""
        viewer = self._hub.viewers.join(self._key(request))
        if viewer is None:
            return as_error(503, "too_many_viewers", "The board is full; try again later")
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
        tick = self._hub.market.tick(viewer.key, now_ms())
        first: bytes | None = f"retry: {RETRY_MS}\n\n".encode() + event("tick", tick)
        try:
            while first is not None:
                await asyncio.wait_for(response.write(first), WRITE_TIMEOUT_SECONDS)
                first = await viewer.take()
        except (ConnectionError, TimeoutError):
            log.debug("viewer_lost", extra={"fields": {"key": viewer.key}})
        return response

    async def healthz(self, _request: web.Request) -> web.Response:
        """Say that the page is served, and which of its servers answer."""
        market = self._hub.market
        return as_json(
            {"status": "ok", "elasticsearch": market.elasticsearch, "kafka": market.kafka}
        )

    async def metrics(self, _request: web.Request) -> web.Response:
        """Give the board's own metrics to Prometheus."""
        return web.Response(
            body=generate_latest(self._metrics.registry),
            headers={"Content-Type": CONTENT_TYPE_LATEST},
        )


async def _page(_request: web.Request) -> web.FileResponse:
    return web.FileResponse(STATIC / "index.html")


@web.middleware
async def _errors_as_json(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except params.BadParameterError as error:
        return as_error(400, "bad_parameter", str(error))
    except SearchError as error:
        return as_error(503, "search_failed", str(error))
    except web.HTTPException as error:
        if error.status < 400:  # noqa: PLR2004
            raise
        return as_error(error.status, error.reason.lower().replace(" ", "_"), request.path[:200])


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(SECURITY_HEADERS)
    # Without a build step no file name tells its version, so browsers must ask each time.
    response.headers.setdefault("Cache-Control", "no-cache")
    response.headers.popall("Server", None)
