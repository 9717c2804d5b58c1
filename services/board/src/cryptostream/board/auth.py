"""Optional basic authentication of everything but health and metrics, which probes ask for."""

from __future__ import annotations

import binascii
from base64 import b64decode
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Final

from aiohttp import web

from cryptostream.board.answers import as_error

OPEN_PATHS: Final = frozenset({"/healthz", "/metrics"})
_SCHEME: Final = "basic "
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_allowed(header: str, username: str, password: str) -> bool:
    """Tell whether an `Authorization` header names this user; takes as long for any wrong one."""
    if header[: len(_SCHEME)].lower() != _SCHEME:
        return False
    try:
        given = b64decode(header[len(_SCHEME) :].strip(), validate=True)
    except (binascii.Error, ValueError):
        return False
    return compare_digest(given, f"{username}:{password}".encode())


def basic_auth(username: str, password: str) -> Callable[[web.Request, Handler], object]:
    """Make the middleware that asks for this user."""

    @web.middleware
    async def check(request: web.Request, handler: Handler) -> web.StreamResponse:
        header = request.headers.get("Authorization", "")
        if request.path in OPEN_PATHS or is_allowed(header, username, password):
            return await handler(request)
        answer = as_error(401, "unauthorized", "Give the board's user name and password")
        answer.headers["WWW-Authenticate"] = 'Basic realm="cryptostream", charset="UTF-8"'
        return answer

    return check
