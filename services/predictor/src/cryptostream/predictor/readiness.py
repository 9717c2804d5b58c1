"""`/readyz` with its reasons: which model answers, how old it is, and what was refused.

BentoML's own answer is an empty line.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

import bentoml
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


class Readiness:
    """ASGI middleware that answers `GET /readyz` for the service of this process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the probe with JSON, 200 or 503; pass everything else on."""
        if scope["type"] != "http" or scope["path"] != "/readyz" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        told = bentoml.get_current_service().readiness()
        status = HTTPStatus.OK if told["ready"] else HTTPStatus.SERVICE_UNAVAILABLE
        await JSONResponse(told, status)(scope, receive, send)
