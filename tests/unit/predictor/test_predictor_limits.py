"""Bodies above the bound are answered 413, announced or not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from cryptostream.predictor.limits import MAX_BODY_BYTES, BodyLimit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.types import Receive, Scope, Send

CHUNK = b"x" * (1024 * 1024)


async def application(_: Scope, receive: Receive, send: Send) -> None:
    """Read the whole body; answer its length, or a 500 to any error, as BentoML does."""
    length, status = 0, 200
    try:
        more = True
        while more:
            message = await receive()
            length += len(message["body"])
            more = message.get("more_body", False)
    except Exception:  # noqa: BLE001 - the point of this application
        status = 500
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": str(length).encode()})


async def chunks(count: int) -> AsyncIterator[bytes]:
    """Give a body of `count` MiB, its length unannounced."""
    for _ in range(count):
        yield CHUNK


async def post(content: bytes | AsyncIterator[bytes]) -> httpx.Response:
    """Send a body through the limit to the application."""
    transport = httpx.ASGITransport(app=BodyLimit(application))  # type: ignore[arg-type]
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        return await client.post("/", content=content)


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_at_the_bound_passes(announced: bool) -> None:  # noqa: FBT001 - a parameter
    """A body of just the bound reaches the application whole."""
    count = MAX_BODY_BYTES // len(CHUNK)
    answer = await post(CHUNK * count if announced else chunks(count))
    assert (answer.status_code, answer.text) == (200, str(MAX_BODY_BYTES))


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_above_the_bound_is_refused(announced: bool) -> None:  # noqa: FBT001 - a parameter
    """A larger body is answered 413 with the bound, whatever the application makes of it."""
    count = MAX_BODY_BYTES // len(CHUNK) + 1
    answer = await post(CHUNK * count if announced else chunks(count))
    assert answer.status_code == 413
    assert str(MAX_BODY_BYTES) in answer.json()["error"]
