"""Where Alertmanager posts the pipeline's own alarms: `POST /alertmanager`.

An alarm is answered with 200 once it is in the outbox, on disk; with 503 while that is full, and
Alertmanager tries again.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import TYPE_CHECKING, Final

from cryptostream.alerts import metrics
from cryptostream.alerts.errors import OutboxFullError
from cryptostream.alerts.parse import events_of_alarms
from cryptostream.contracts.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.alerts.dispatch import Dispatcher

log = logging.getLogger(__name__)

PATH: Final = "/alertmanager"
MAX_BODY_BYTES: Final = 1024 * 1024
MAX_REQUESTS: Final = 8
ANSWER_SECONDS: Final = 10.0
READ_SECONDS: Final = 10.0


class AlarmDoor:
    """The server; `take` runs in the loop's thread, all else in threads of its own."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        clock_ms: Callable[[], int],
        *,
        token: str = "",
        wake: Callable[[], None],
    ) -> None:
        self._dispatcher = dispatcher
        self._clock_ms = clock_ms
        self._expected = f"Bearer {token}".encode() if token else b""
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._slots = BoundedSemaphore(MAX_REQUESTS)
        self._server: ThreadingHTTPServer | None = None

    def open(self, host: str, port: int) -> int:
        """Serve from a daemon thread; give the port. Raises `OSError` if it is taken."""
        self._server = _Server((host, port), _handler(self))
        Thread(target=self._server.serve_forever, name="alarms", daemon=True).start()
        return int(self._server.server_address[1])

    async def close(self) -> None:
        """Stop serving."""
        if self._server is not None:
            await asyncio.to_thread(self._server.shutdown)
            self._server.server_close()

    def answer(self, raw: bytes, authorization: str) -> HTTPStatus:
        """Take a body in from another thread, and say how it went."""
        if self._expected and not hmac.compare_digest(authorization.encode(), self._expected):
            return HTTPStatus.UNAUTHORIZED
        if not self._slots.acquire(blocking=False):
            return HTTPStatus.SERVICE_UNAVAILABLE
        try:
            future = asyncio.run_coroutine_threadsafe(self.take(raw), self._loop)
            return future.result(ANSWER_SECONDS)
        except TimeoutError:
            return HTTPStatus.SERVICE_UNAVAILABLE
        finally:
            self._slots.release()

    async def take(self, raw: bytes) -> HTTPStatus:
        """Take a body in."""
        try:
            for event in events_of_alarms(raw, self._clock_ms()):
                self._dispatcher.take(event)
        except ContractError as error:
            metrics.REFUSED.labels("alertmanager").inc()
            log.warning("alarms_refused", extra={"fields": {"why": error}})
            return HTTPStatus.BAD_REQUEST
        except OutboxFullError:
            return HTTPStatus.SERVICE_UNAVAILABLE
        finally:
            self._wake()
        return HTTPStatus.OK


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False


def _handler(door: AlarmDoor) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = READ_SECONDS

        def do_POST(self) -> None:
            self.send_response(self._status())
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _status(self) -> HTTPStatus:
            if self.path.partition("?")[0] != PATH:
                return HTTPStatus.NOT_FOUND
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                return HTTPStatus.LENGTH_REQUIRED
            if int(length) > MAX_BODY_BYTES:
                return HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return door.answer(self.rfile.read(int(length)), self.headers.get("Authorization", ""))

        def log_message(self, *_: object) -> None:
            """Alarms are counted, not listed."""

    return Handler
