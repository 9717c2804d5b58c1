"""A new WebSocket to the exchange, within the budget of connections."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from picows import WSError, WSInvalidStatusError, WSInvalidURL, ws_connect

from cryptostream.ingest.errors import ConnectionLostError
from cryptostream.ingest.wire import HARD_MESSAGE_BYTES, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import Counter

    from cryptostream.ingest.budget import Budget

CONNECT_SECONDS: Final = 10.0
#: What Bybit answers a handshake with when an address came too often.
FORBIDDEN_STATUSES: Final = frozenset({403, 429})

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Dialer:
    """Where to connect to, and how often at most."""

    url: str
    budget: Budget
    attempts: Counter
    clock: Callable[[], float]

    async def connect(self, take: Callable[[bytes], None], within: float, name: str) -> Wire:
        """Wait for the budget, then connect `within` seconds; raises `ConnectionLostError`.

        Args:
            take: gets each message; see `Wire`.
            within: seconds from the start of the handshake to its end.
            name: of the connection, for the log.
        """
        fields = {"connection": name, "url": self.url}
        wait = self.budget.book(self.clock())
        if wait > 0.0:
            log.warning("connection_put_off", extra={"fields": {**fields, "wait_s": wait}})
            await asyncio.sleep(wait)
        self.attempts.inc()
        try:
            async with asyncio.timeout(within):
                wire = await self._handshake(take)
        except TimeoutError as error:
            raise ConnectionLostError("connect_timeout") from error
        except WSInvalidURL:
            raise
        except (WSError, OSError) as error:
            raise self._lost(error) from error
        self.budget.accepted()
        log.info("connected", extra={"fields": fields})
        return wire

    async def _handshake(self, take: Callable[[bytes], None]) -> Wire:
        wire = Wire(take)
        await ws_connect(
            lambda: wire,
            self.url,
            websocket_handshake_timeout=None,  # ours spans the whole connect
            max_frame_size=HARD_MESSAGE_BYTES,
            max_redirects=0,
        )
        return wire

    def _lost(self, error: Exception) -> ConnectionLostError:
        if isinstance(error, WSInvalidStatusError) and _status(error) in FORBIDDEN_STATUSES:
            self.budget.forbidden(self.clock())
            return ConnectionLostError("forbidden", str(error)[:200])
        return ConnectionLostError("connect_failed", str(error)[:200])


def _status(error: WSInvalidStatusError) -> int:
    return int(error.response.status) if error.response is not None else 0
