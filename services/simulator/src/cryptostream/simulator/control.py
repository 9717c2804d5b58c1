"""The simulator's own controls under /simulator/, and its ledger as public dumps."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

import msgspec
from aiohttp import web

from cryptostream.simulator.exports import dump_pieces, find_dump, has_rpi
from cryptostream.simulator.faults import FaultError, parse_fault
from cryptostream.simulator.frames import TOPIC_PREFIX
from cryptostream.simulator.listing import ListingError, parse_listing
from cryptostream.simulator.simulation import Simulation, now_ms

if TYPE_CHECKING:
    from collections.abc import Mapping

SIMULATION: Final = web.AppKey("simulation", Simulation)
#: How long a pause waits until readers have taken what was sent.
FLUSH_SECONDS: Final = 3.0
POLL_SECONDS: Final = 0.002


def add_controls(app: web.Application) -> None:
    """Add the routes."""
    router = app.router
    router.add_get("/simulator/status", _status)
    router.add_get("/simulator/ledger", _ledger)
    router.add_post("/simulator/pause", _pause)
    router.add_post("/simulator/resume", _resume)
    router.add_post("/simulator/inject", _inject)
    router.add_get("/simulator/faults", _list_faults)
    router.add_post("/simulator/faults", _begin_fault)
    router.add_delete("/simulator/faults", _end_faults)
    router.add_post("/simulator/symbols", _enlist)
    router.add_delete("/simulator/symbols/{symbol}", _delist)
    for root in ("/spot", "/public/spot"):
        router.add_get(root + "/{symbol}/{file}", _dump)


def json_response(body: Mapping[str, Any], status: int = 200) -> web.Response:
    """Answer with a JSON object."""
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type="application/json"
    )


async def _status(request: web.Request) -> web.Response:
    """Tell what was made and sent so far, to whom, and what is made to go wrong."""
    simulation = request.app[SIMULATION]
    hub, ledger, player = simulation.hub, simulation.ledger, simulation.player
    return json_response(
        {
            "mode": simulation.mode,
            "seed": simulation.seed,
            "sent": ledger.sent,
            "unique": ledger.sent,
            "made": ledger.made,
            "symbols": {symbol: book.sent for symbol, book in ledger.books.items()},
            "listed": list(ledger.listed),
            "subscribers": hub.subscribers(),
            "connections": hub.connections,
            "clients": [
                {"conn_id": client.session.conn_id, "topics": len(client.symbols)}
                for client in hub.connected()
            ],
            "slow_readers": hub.slow_readers,
            "upgrades_refused": simulation.gate.refused,
            "behind_ms": player.behind_ms,
            "started": player.started,
            "paused": player.paused,
            "finished": player.finished,
            "faults": simulation.turmoil.describe(now_ms()),
        }
    )


async def _ledger(request: web.Request) -> web.StreamResponse:
    """Stream the trades that were sent, or with `?all=1` all that were made, as NDJSON."""
    everything = request.query.get("all") == "1"
    response = web.StreamResponse(headers={"Content-Type": "application/x-ndjson"})
    await response.prepare(request)
    for book in tuple(request.app[SIMULATION].ledger.books.values()):
        for lines in book.all_lines() if everything else book.sent_lines():
            await response.write(lines)
            await asyncio.sleep(0)
    await response.write_eof()
    return response


async def _pause(request: web.Request) -> web.Response:
    """Stop making trades; answer when readers have taken those made, or after a while."""
    simulation = request.app[SIMULATION]
    simulation.player.pause(now_ms())
    simulation.hub.flush()
    for _ in range(int(FLUSH_SECONDS / POLL_SECONDS)):
        if not simulation.hub.unsent_bytes():
            break
        await asyncio.sleep(POLL_SECONDS)
    unsent = simulation.hub.unsent_bytes()
    sent = simulation.ledger.sent
    return json_response({"paused": True, "sent": sent, "unsent_bytes": unsent})


async def _resume(request: web.Request) -> web.Response:
    request.app[SIMULATION].player.resume(now_ms())
    return json_response({"paused": False})


async def _inject(request: web.Request) -> web.Response:
    """Push the raw body as one text frame to the subscribers of `?topic=`."""
    simulation = request.app[SIMULATION]
    symbol = request.query.get("topic", "").removeprefix(TOPIC_PREFIX)
    if symbol not in simulation.ledger.books:
        error = "topic must be publicTrade.<a symbol of this server>"
        return json_response({"error": error}, status=400)
    listened = simulation.hub.listened(symbol)
    if listened:
        simulation.hub.publish(symbol, await request.read())
        simulation.hub.flush()
    return json_response({"injected": listened})


async def _list_faults(request: web.Request) -> web.Response:
    return json_response({"faults": request.app[SIMULATION].turmoil.describe(now_ms())})


async def _begin_fault(request: web.Request) -> web.Response:
    """Let the fault of the body act; answer with its number."""
    try:
        fault = parse_fault(await request.read())
    except FaultError as error:
        return json_response({"error": str(error)}, status=400)
    number = request.app[SIMULATION].strike(fault, now_ms())
    if number is None:
        reason = "a sweep needs a market, and one listed symbol that has traded before"
        return json_response({"error": reason}, status=409)
    return json_response({"id": number})


async def _end_faults(request: web.Request) -> web.Response:
    return json_response({"ended": request.app[SIMULATION].turmoil.end()})


async def _enlist(request: web.Request) -> web.Response:
    """List the instrument of the body and trade it."""
    try:
        instrument, rate = parse_listing(await request.read())
    except ListingError as error:
        return json_response({"error": str(error)}, status=400)
    request.app[SIMULATION].enlist(instrument, rate, now_ms())
    return json_response({"listed": list(request.app[SIMULATION].ledger.listed)})


async def _delist(request: web.Request) -> web.Response:
    """Take a symbol off the market; its subscribers hear no more of it, and no word about it."""
    ledger = request.app[SIMULATION].ledger
    if not ledger.delist(request.match_info["symbol"]):
        return json_response({"error": "no such symbol is listed"}, status=404)
    return json_response({"listed": list(ledger.listed)})


async def _dump(request: web.Request) -> web.StreamResponse:
    """Serve a day's file as public.bybit.com does; `?rpi=0` and `?rpi=1` choose the schema."""
    names = request.match_info
    found = find_dump(request.app[SIMULATION].ledger, names["symbol"], names["file"])
    if found is None:
        raise web.HTTPNotFound
    book, day = found
    rpi = {"0": False, "1": True}.get(request.query.get("rpi", ""), has_rpi(day))
    pieces = dump_pieces(book, day, rpi=rpi)
    first = next(pieces, None)
    if first is None:
        raise web.HTTPNotFound
    response = web.StreamResponse(headers={"Content-Type": "application/gzip"})
    await response.prepare(request)
    await response.write(first)
    for piece in pieces:
        await response.write(piece)
        await asyncio.sleep(0)
    await response.write_eof()
    return response
