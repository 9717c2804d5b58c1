"""A new WebSocket to the exchange, within the budget of connections."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import aiohttp

from cryptostream.ingest.errors import ConnectionLostError
from cryptostream.ingest.protocol import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter

    from cryptostream.ingest.budget import Budget

CONNECT_SECONDS: Final = 10.0
#: A peer that is gone does not answer our close frame.
CLOSE_SECONDS: Final = 0.5
#: Somewhat above what `parse` takes: a frame in between is a dead letter, no lost connection.
HARD_FRAME_BYTES: Final = 4 * MAX_FRAME_BYTES
#: What Bybit answers a handshake with when an address came too often.
FORBIDDEN_STATUSES: Final = frozenset({403, 429})

Socket = aiohttp.ClientWebSocketResponse[Literal[False]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dialer:
    """Where to connect to, and how often at most."""

    url: str
    budget: Budget
    attempts: Counter
    clock: Callable[[], float]

    async def connect(self, http: aiohttp.ClientSession, within: float, name: str) -> Socket:
        """Wait for the budget, then connect `within` seconds; raises `ConnectionLostError`."""
        fields = {"connection": name, "url": self.url}
        wait = self.budget.book(self.clock())
        if wait > 0.0:
            log.warning("connection_put_off", extra={"fields": {**fields, "wait_s": wait}})
            await asyncio.sleep(wait)
        self.attempts.inc()
        try:
            async with asyncio.timeout(within):
                ws = await self._handshake(http)
        except TimeoutError as error:
            raise ConnectionLostError("connect_timeout") from error
        except aiohttp.InvalidURL:
            raise
        except aiohttp.ClientError as error:
            raise self._lost(error) from error
        self.budget.accepted()
        log.info("connected", extra={"fields": fields})
        return ws

    async def _handshake(self, http: aiohttp.ClientSession) -> Socket:
        return await http.ws_connect(
            self.url,
            timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
            max_msg_size=HARD_FRAME_BYTES,
            decode_text=False,
        )

    def _lost(self, error: aiohttp.ClientError) -> ConnectionLostError:
        if getattr(error, "status", 0) in FORBIDDEN_STATUSES:
            self.budget.forbidden(self.clock())
            return ConnectionLostError("forbidden", str(error)[:200])
        return ConnectionLostError("connect_failed", str(error)[:200])
