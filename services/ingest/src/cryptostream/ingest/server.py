"""The process's own HTTP port: /metrics, /readyz, /livez."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from cryptostream.contracts.errors import SettingsError

if TYPE_CHECKING:
    from cryptostream.ingest.metrics import Metrics


@dataclass(frozen=True, slots=True)
class Status:
    """What /readyz answers; `ready` decides between 200 and 503."""

    ready: bool
    reason: str
    connected: int = 0
    subscribed: int = 0
    refused: int = 0
    queue_depth: int = 0


@asynccontextmanager
async def serve(
    host: str, port: int, metrics: Metrics, status: Callable[[], Status]
) -> AsyncIterator[int]:
    """Serve until the block ends and give the port; raises `SettingsError` if it is taken."""
    app = web.Application()
    app.router.add_get("/metrics", _metrics(metrics, status))
    app.router.add_get("/readyz", _readyz(status))
    app.router.add_get("/livez", _livez)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise SettingsError(
                f"INGEST_METRICS_PORT={port}: can't listen on {host}:{port} ({error.strerror}); "
                "free the port or choose another"
            ) from error
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _metrics(metrics: Metrics, status: Callable[[], Status]) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        now = status()
        metrics.connected.set(now.connected)
        metrics.subscribed.set(now.subscribed)
        metrics.refused.set(now.refused)
        metrics.queue_depth.set(now.queue_depth)
        metrics.ready.set(now.ready)
        body = generate_latest(metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})

    return handle


def _readyz(status: Callable[[], Status]) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        now = status()
        return web.json_response(asdict(now), status=200 if now.ready else 503)

    return handle


async def _livez(_: web.Request) -> web.Response:
    """Answering at all proves that the event loop turns."""
    return web.json_response({"alive": True})
