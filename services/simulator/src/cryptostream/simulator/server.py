"""The simulated exchange on one port: WebSocket, REST and the simulator's own controls."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from dataclasses import dataclass
from secrets import choice, token_hex
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from aiohttp import WSMsgType, web
from prometheus_client import CONTENT_TYPE_LATEST

from cryptostream.simulator.frames import TOPIC_PREFIX
from cryptostream.simulator.hub import Hub, Subscriber
from cryptostream.simulator.metrics import render_metrics
from cryptostream.simulator.protocol import MAX_REQUEST_BYTES, Session, answer
from cryptostream.simulator.rest import ROUTES, respond

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cryptostream.simulator.ledger import Ledger
    from cryptostream.simulator.player import Player

log = logging.getLogger(__name__)

#: How often the clock looks for due orders: often enough that a push lags by 1-3 ms.
TICK_SECONDS: Final = 0.002
IDLE_SECONDS: Final = 0.05
#: How long a pause waits until readers have taken what was sent.
FLUSH_SECONDS: Final = 3.0
MAX_INJECT_BYTES: Final = 1024 * 1024
_CONN_ID_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuv"


@dataclass(frozen=True, slots=True)
class Simulation:
    """What the server serves."""

    mode: Literal["market", "replay"]
    seed: int
    start_grace_seconds: float
    ledger: Ledger
    hub: Hub
    player: Player


SIMULATION: Final = web.AppKey("simulation", Simulation)


def make_app(simulation: Simulation) -> web.Application:
    """Wire the routes; the feed plays while the application runs."""
    app = web.Application(client_max_size=MAX_INJECT_BYTES)
    app[SIMULATION] = simulation
    app.router.add_get("/v5/public/spot", _websocket)
    for path in ROUTES:
        app.router.add_get(path, _rest)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/metrics", _metrics)
    app.router.add_get("/simulator/status", _status)
    app.router.add_get("/simulator/ledger", _ledger)
    app.router.add_post("/simulator/pause", _pause)
    app.router.add_post("/simulator/resume", _resume)
    app.router.add_post("/simulator/inject", _inject)
    app.cleanup_ctx.append(_play)
    app.on_shutdown.append(_close_connections)
    return app


async def _play(app: web.Application) -> AsyncIterator[None]:
    """Run the clock next to the server."""
    task = asyncio.create_task(_run_clock(app[SIMULATION]))
    yield
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


async def _run_clock(simulation: Simulation) -> None:
    """Release orders as they fall due, for ever."""
    player, hub = simulation.player, simulation.hub
    first_seen: float | None = None
    while True:
        if not player.started:
            if first_seen is None and hub.subscribers():
                first_seen = time.monotonic()
            if _may_start(simulation, first_seen):
                player.start(_now_ms())
        wait_ms = player.release(_now_ms())
        hub.flush()
        if wait_ms is None:
            await asyncio.sleep(IDLE_SECONDS)
        else:
            await asyncio.sleep(min(max(wait_ms / 1000, TICK_SECONDS), IDLE_SECONDS))


def _may_start(simulation: Simulation, first_seen: float | None) -> bool:
    """A market trades at once; a replay waits for its audience, so that nothing is missed."""
    if simulation.mode == "market":
        return True
    if first_seen is None:
        return False
    complete = all(simulation.hub.listened(symbol) for symbol in simulation.ledger.books)
    return complete or time.monotonic() - first_seen >= simulation.start_grace_seconds


async def _websocket(request: web.Request) -> web.WebSocketResponse:
    """Serve one connection until it ends."""
    simulation = request.app[SIMULATION]
    socket = web.WebSocketResponse(max_msg_size=MAX_REQUEST_BYTES, compress=False)
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    subscriber = Subscriber(Session(_conn_id()), transport)
    simulation.hub.join(subscriber)
    try:
        async for message in socket:
            if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                break
            reply = answer(message.data, subscriber.session, simulation.ledger.books)
            # The answer goes first, so that no trade overtakes the ack of its subscription.
            await socket.send_str(reply.text)
            simulation.hub.add(subscriber, reply.added)
            simulation.hub.remove(subscriber, reply.removed)
    except ConnectionError:
        log.debug("connection_lost", extra={"fields": {"conn_id": subscriber.session.conn_id}})
    finally:
        simulation.hub.leave(subscriber)
    return socket


async def _rest(request: web.Request) -> web.Response:
    ledger = request.app[SIMULATION].ledger
    return _json(respond(request.path, request.query, ledger, time.time_ns()))


async def _healthz(_request: web.Request) -> web.Response:
    return _json({"status": "ok"})


async def _metrics(request: web.Request) -> web.Response:
    simulation = request.app[SIMULATION]
    text = render_metrics(simulation.ledger, simulation.hub, simulation.player)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _status(request: web.Request) -> web.Response:
    """Tell what was made and sent so far."""
    simulation = request.app[SIMULATION]
    books = simulation.ledger.books
    return _json(
        {
            "mode": simulation.mode,
            "seed": simulation.seed,
            "sent": simulation.ledger.sent,
            "unique": simulation.ledger.sent,
            "made": simulation.ledger.made,
            "symbols": {symbol: book.sent for symbol, book in books.items()},
            "subscribers": simulation.hub.subscribers(),
            "connections": simulation.hub.connections,
            "slow_readers": simulation.hub.slow_readers,
            "behind_ms": simulation.player.behind_ms,
            "started": simulation.player.started,
            "paused": simulation.player.paused,
            "finished": simulation.player.finished,
        }
    )


async def _ledger(request: web.Request) -> web.StreamResponse:
    """Stream the trades that were sent, as NDJSON."""
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    for book in request.app[SIMULATION].ledger.books.values():
        for lines in book.sent_lines():
            await response.write(lines)
            await asyncio.sleep(0)
    await response.write_eof()
    return response


async def _pause(request: web.Request) -> web.Response:
    """Stop making trades; answer when readers have taken those made, or after a while."""
    simulation = request.app[SIMULATION]
    simulation.player.pause(_now_ms())
    simulation.hub.flush()
    for _ in range(int(FLUSH_SECONDS / TICK_SECONDS)):
        if not simulation.hub.unsent_bytes():
            break
        await asyncio.sleep(TICK_SECONDS)
    unsent = simulation.hub.unsent_bytes()
    return _json({"paused": True, "sent": simulation.ledger.sent, "unsent_bytes": unsent})


async def _resume(request: web.Request) -> web.Response:
    request.app[SIMULATION].player.resume(_now_ms())
    return _json({"paused": False})


async def _inject(request: web.Request) -> web.Response:
    """Push the raw body as one text frame to the subscribers of `?topic=`."""
    simulation = request.app[SIMULATION]
    symbol = request.query.get("topic", "").removeprefix(TOPIC_PREFIX)
    if symbol not in simulation.ledger.books:
        return _json({"error": "topic must be publicTrade.<a symbol of this server>"}, status=400)
    listened = simulation.hub.listened(symbol)
    if listened:
        simulation.hub.publish(symbol, await request.read())
        simulation.hub.flush()
    return _json({"injected": listened})


async def _close_connections(app: web.Application) -> None:
    """Cut the subscribers off, so that shutdown waits for none of them."""
    app[SIMULATION].hub.close()


def _json(body: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


def _conn_id() -> str:
    """Make a connection id of the shape seen in recent recordings."""
    return "".join(choice(_CONN_ID_ALPHABET) for _ in range(20)) + "-" + token_hex(3)[:5]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
