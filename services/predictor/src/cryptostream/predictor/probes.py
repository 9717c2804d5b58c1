"""`/readyz` with its reasons, and `/metrics`.

BentoML's own answer to the first is an empty line. Its metrics are off, since counting each request
three times over cost more than scoring it; with them goes its `/metrics`.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import bentoml
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import JSONResponse, Response

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Probes:
    """ASGI middleware that answers `GET /readyz` and `/metrics` for this process's service."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the two; pass everything else on."""
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
        elif scope["path"] == "/readyz":
            await _readiness()(scope, receive, send)
        elif scope["path"] == "/metrics":
            await _metrics()(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def _readiness() -> Response:
    told = bentoml.get_current_service().readiness()
    status = HTTPStatus.OK if told["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(told, status)


def _metrics() -> Response:
    text = generate_latest() + bentoml.get_current_service().exposition().encode()
    return Response(text, media_type=CONTENT_TYPE_LATEST)
