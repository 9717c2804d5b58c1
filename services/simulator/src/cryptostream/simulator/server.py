"""The simulated exchange's sockets: WebSocket, REST and what else a port serves."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from secrets import choice, token_hex
from typing import TYPE_CHECKING, Final

from aiohttp import WSMsgType, web
from prometheus_client import CONTENT_TYPE_LATEST

from cryptostream.simulator.control import SIMULATION, add_controls, json_response
from cryptostream.simulator.frames import TOPIC_PREFIX, text_frame
from cryptostream.simulator.gate import FORBIDDEN
from cryptostream.simulator.hub import Subscriber
from cryptostream.simulator.metrics import render_metrics
from cryptostream.simulator.protocol import MAX_REQUEST_BYTES, Answer, Session, answer
from cryptostream.simulator.rest import ROUTES, respond
from cryptostream.simulator.simulation import Simulation, now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

log = logging.getLogger(__name__)

#: How often the clock looks for due orders: often enough that a push lags by 1-3 ms.
TICK_SECONDS: Final = 0.002
IDLE_SECONDS: Final = 0.05
MAX_INJECT_BYTES: Final = 1024 * 1024
_CONN_ID_ALPHABET: Final = "0123456789abcdefghijklmnopqrstuv"


def make_app(simulation: Simulation) -> web.Application:
    """Wire the routes; the feed plays while the application runs."""
    app = web.Application(client_max_size=MAX_INJECT_BYTES)
    app[SIMULATION] = simulation
    app.router.add_get("/v5/public/spot", _websocket)
    for path in ROUTES:
        app.router.add_get(path, _rest)
    app.router.add_get("/healthz", _healthz)
    app.router.add_get("/metrics", _metrics)
    add_controls(app)
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
    """Release orders and faults as they fall due, for ever."""
    player, hub = simulation.player, simulation.hub
    first_seen: float | None = None
    while True:
        _run_script(simulation)
        if not player.started:
            if first_seen is None and hub.subscribers():
                first_seen = time.monotonic()
            if _may_start(simulation, first_seen):
                player.start(now_ms())
        wait_ms = player.release(now_ms())
        simulation.outlet.push_late(now_ms())
        hub.flush()
        if wait_ms is None:
            await asyncio.sleep(IDLE_SECONDS)
        else:
            await asyncio.sleep(min(max(wait_ms / 1000, TICK_SECONDS), IDLE_SECONDS))


def _run_script(simulation: Simulation) -> None:
    """End the faults whose time is over, and begin those whose time has come."""
    simulation.turmoil.expire(now_ms())
    for fault in simulation.turmoil.scripted(now_ms()):
        if simulation.strike(fault, now_ms()) is None:
            log.warning("scripted_sweep_impossible", extra={"fields": {"symbols": fault.symbols}})


def _may_start(simulation: Simulation, first_seen: float | None) -> bool:
    """A market trades at once; a replay waits for its audience, so that nothing is missed."""
    if simulation.mode == "market":
        return True
    if first_seen is None:
        return False
    complete = all(simulation.hub.listened(symbol) for symbol in simulation.ledger.listed)
    return complete or time.monotonic() - first_seen >= simulation.start_grace_seconds


async def _websocket(request: web.Request) -> web.StreamResponse:
    """Let a connection in, or refuse its upgrade."""
    simulation, address = request.app[SIMULATION], request.remote or ""
    status = simulation.turmoil.upgrade_status()
    if status is not None:
        return web.Response(status=status, text="refused")
    if not simulation.gate.enter(address, time.monotonic()):
        return web.Response(status=FORBIDDEN, text="access too frequent")
    try:
        return await _converse(request, simulation)
    finally:
        simulation.gate.leave(address)


async def _converse(request: web.Request, simulation: Simulation) -> web.WebSocketResponse:
    """Serve one connection until it ends."""
    socket = web.WebSocketResponse(max_msg_size=MAX_REQUEST_BYTES, compress=False)
    await socket.prepare(request)
    transport = request.transport
    if transport is None:
        return socket
    subscriber = Subscriber(Session(_conn_id(), simulation.limits), transport)
    simulation.hub.join(subscriber)
    simulation.turmoil.greet(subscriber)
    try:
        async for message in socket:
            if message.type not in {WSMsgType.TEXT, WSMsgType.BINARY}:
                break
            symbols = _Subscribable(simulation)
            _reply(simulation, subscriber, answer(message.data, subscriber.session, symbols))
    except ConnectionError:
        log.debug("connection_lost", extra={"fields": {"conn_id": subscriber.session.conn_id}})
    finally:
        simulation.hub.leave(subscriber)
        simulation.turmoil.forget(subscriber)
    return socket


class _Subscribable:
    """The symbols that can be subscribed to at this moment."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation

    def __contains__(self, symbol: object) -> bool:
        if symbol not in self._simulation.ledger.listed:
            return False
        return self._simulation.turmoil.take("refuse", (str(symbol),)) is None


def _reply(simulation: Simulation, subscriber: Subscriber, reply: Answer) -> None:
    """Send an answer and let it work, in this order unless a fault wants another one."""
    hub, frame = simulation.hub, text_frame(reply.text.encode())
    if reply.op == "ping":
        hub.tell(subscriber, frame, even_if_stalled=True)
        return
    topics = reply.added + reply.removed
    symbols = tuple(topic.removeprefix(TOPIC_PREFIX) for topic in topics)
    take, conn_id = simulation.turmoil.take, subscriber.session.conn_id
    if topics and take("no_ack", symbols, conn_id):
        subscriber.session.undo(reply)
        return
    later = asyncio.get_running_loop().call_later
    # The answer goes first, so that no trade overtakes the ack of its subscription.
    if topics and (late := take("late_ack", symbols, conn_id)):
        later(late.delay_ms / 1000, hub.tell, subscriber, frame)
    else:
        hub.tell(subscriber, frame)
    hub.remove(subscriber, reply.removed)
    if reply.added and (early := take("early_ack", symbols, conn_id)):
        later(early.delay_ms / 1000, hub.add, subscriber, reply.added)
    else:
        hub.add(subscriber, reply.added)


async def _rest(request: web.Request) -> web.Response:
    simulation = request.app[SIMULATION]
    now_ns = time.time_ns() + simulation.turmoil.skew_ms * 1_000_000
    return json_response(respond(request.path, request.query, simulation.ledger, now_ns))


async def _healthz(_request: web.Request) -> web.Response:
    return json_response({"status": "ok"})


async def _metrics(request: web.Request) -> web.Response:
    simulation = request.app[SIMULATION]
    text = render_metrics(simulation.ledger, simulation.hub, simulation.player)
    return web.Response(body=text, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _close_connections(app: web.Application) -> None:
    """Cut the subscribers off, so that shutdown waits for none of them."""
    app[SIMULATION].hub.close()


def _conn_id() -> str:
    """Make a connection id of the shape seen in recent recordings."""
    return "".join(choice(_CONN_ID_ALPHABET) for _ in range(20)) + "-" + token_hex(3)[:5]
