"""How the API answers: JSON, and errors with a code and words."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web


def as_json(content: Any, status: int = 200) -> web.Response:
    """Answer with content that msgspec can render."""
    return web.Response(
        body=msgspec.json.encode(content), status=status, content_type="application/json"
    )


def as_error(status: int, code: str, detail: str) -> web.Response:
    """Answer with an error: a stable code, and words that say what would do."""
    return as_json({"error": code, "detail": detail}, status)
