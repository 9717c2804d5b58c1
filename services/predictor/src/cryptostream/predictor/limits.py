"""A bound on request bodies; BentoML itself reads whatever is sent into memory."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: `MAX_ROWS` rows of all features with every digit of a float64.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
#: A refused body is read to this point and thrown away: a sender that is cut off while it sends
#: sees a reset connection instead of the answer.
DRAIN_BYTES: Final = 256 * 1024 * 1024
_REFUSAL: Final = json.dumps({"error": f"the body is larger than {MAX_BODY_BYTES} bytes"}).encode()


class BodyTooLargeError(Exception):
    """More bytes came than are allowed."""


class BodyLimit:
    """ASGI middleware that answers 413 to a body above `MAX_BODY_BYTES`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, unless its body is or becomes too large."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif _announced(scope) > MAX_BODY_BYTES:
            await _drain(receive, 0)
            await _refuse(send)
        else:
            await self._watch(scope, receive, send)

    async def _watch(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the body as it comes in; once it is too large, only the refusal is sent."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise BodyTooLargeError
            return message

        async def unless_too_large(message: Message) -> None:
            if received <= MAX_BODY_BYTES:
                await send(message)

        # The application may answer the error by itself, with a 500 that says nothing.
        with contextlib.suppress(BodyTooLargeError):
            await self._app(scope, counted, unless_too_large)
        if received > MAX_BODY_BYTES:
            await _drain(receive, received)
            await _refuse(send)


def _announced(scope: Scope) -> int:
    text = dict(scope["headers"]).get(b"content-length", b"0")
    return int(text) if text.isdigit() else 0


async def _drain(receive: Receive, received: int) -> None:
    """Read on without keeping anything; BentoML's timeout ends it for a sender that dawdles."""
    more = True
    while more and received < DRAIN_BYTES:
        message = await receive()
        received += len(message.get("body", b""))
        more = message["type"] == "http.request" and message.get("more_body", False)


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": _REFUSAL})
