"""The process's own HTTP port: /metrics, /readyz, /livez."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

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
    silent: int = 0
    unanswered_s: float = 0.0
    symbols: int = 0
    listed: int = 0
    members: int = 1
    connection_budget: int = 0
    queue_depth: int = 0


#: An event loop whose last beat is older does not turn any more.
BEAT_SECONDS: Final = 0.5
DEAD_SECONDS: Final = 15.0


class Heartbeat:
    """Beats as long as the event loop turns, and tells how late the last beat was."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._beat = clock()
        self.lag = 0.0

    @property
    def alive(self) -> bool:
        """Whether the last beat is recent."""
        return self._clock() - self._beat < DEAD_SECONDS

    async def run(self) -> None:
        """Beat for ever."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            now = self._clock()
            self.lag = max(0.0, now - self._beat - BEAT_SECONDS)
            self._beat = now


@asynccontextmanager
async def serve(
    host: str, port: int, metrics: Metrics, status: Callable[[], Status]
) -> AsyncIterator[int]:
    """Serve until the block ends and give the port; raises `SettingsError` if it is taken."""
    heartbeat = Heartbeat()
    app = web.Application()
    app.router.add_get("/metrics", _metrics(metrics, status, heartbeat))
    app.router.add_get("/readyz", _readyz(status))
    app.router.add_get("/livez", _livez(heartbeat))
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
        beating = asyncio.create_task(heartbeat.run())
        try:
            yield runner.addresses[0][1]
        finally:
            beating.cancel()
    finally:
        await runner.cleanup()


Handler = Callable[[web.Request], Awaitable[web.Response]]


def _metrics(metrics: Metrics, status: Callable[[], Status], heartbeat: Heartbeat) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        now = status()
        metrics.connected.set(now.connected)
        metrics.subscribed.set(now.subscribed)
        metrics.refused.set(now.refused)
        metrics.silent.set(now.silent)
        metrics.unanswered.set(now.unanswered_s)
        metrics.symbols.set(now.symbols)
        metrics.listed.set(now.listed)
        metrics.members.set(now.members)
        metrics.budget.set(now.connection_budget)
        metrics.loop_lag.set(heartbeat.lag)
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


def _livez(heartbeat: Heartbeat) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        alive = heartbeat.alive
        return web.json_response({"alive": alive}, status=200 if alive else 503)

    return handle
