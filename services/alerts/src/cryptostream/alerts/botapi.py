"""Calls of Telegram's Bot API: one function in, a result or a `BotError` out.

The token is a part of each URL (https://core.telegram.org/bots/api#making-requests), so nothing
that holds a URL leaves this module: httpx's own errors are dropped, not chained, and texts of
the server are searched for the token.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx
import msgspec

from cryptostream.alerts.errors import BotError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import SecretStr

CALL_SECONDS: Final = 30.0
CONNECT_SECONDS: Final = 10.0
MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
MAX_RETRY_AFTER_SECONDS: Final = 86_400.0
_DEFAULT_RETRY_AFTER: Final = 5.0
_TOO_MANY: Final = 429
_SERVER_ERROR: Final = 500
_HIDDEN: Final = "***"
#: Before these a request was not sent.
_UNSENT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
Result = TypeVar("Result")


class _Parameters(msgspec.Struct, frozen=True):
    retry_after: float | None = None
    migrate_to_chat_id: int | None = None


class _Answer(msgspec.Struct, frozen=True):
    ok: bool
    result: msgspec.Raw = msgspec.Raw(b"null")
    error_code: int = 0
    description: str = ""
    parameters: _Parameters = _Parameters()


class BotApi:
    """The API of one bot; `client` is shared and closed by whoever made it."""

    def __init__(self, url: str, token: SecretStr, client: httpx.AsyncClient) -> None:
        self._url = url.rstrip("/")
        self._token = token
        self._client = client

    async def call(
        self,
        method: str,
        kind: type[Result],
        parameters: Mapping[str, Any],
        *,
        photo: bytes | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Result:
        """Call a method and read its result as `kind`; raises `BotError`."""
        request = self._request(method, parameters, photo, seconds)
        failed: BotError | None = None
        try:
            status, raw = await self._exchange(request)
        except httpx.HTTPError as error:
            name = type(error).__name__
            failed = BotError(f"{method}: {name}", sure=isinstance(error, _UNSENT))
        if failed is not None:
            raise failed  # outside of the handler: the URL stays behind with httpx's error
        return self._read(method, kind, status, raw)

    def _request(
        self, method: str, parameters: Mapping[str, Any], photo: bytes | None, seconds: float
    ) -> httpx.Request:
        url = f"{self._url}/bot{self._token.get_secret_value()}/{method}"
        timeout = httpx.Timeout(seconds, connect=CONNECT_SECONDS)
        if photo is None:
            return self._client.build_request("POST", url, json=dict(parameters), timeout=timeout)
        # In a form every value is text; nested ones are JSON.
        form = {
            name: value if isinstance(value, str) else msgspec.json.encode(value).decode()
            for name, value in parameters.items()
        }
        files = {"photo": ("chart.png", photo, "image/png")}
        return self._client.build_request("POST", url, data=form, files=files, timeout=timeout)

    async def _exchange(self, request: httpx.Request) -> tuple[int, bytes]:
        answer = await self._client.send(request, stream=True)
        try:
            raw = bytearray()
            async for piece in answer.aiter_bytes():
                raw += piece
                if len(raw) > MAX_ANSWER_BYTES:
                    break
            return answer.status_code, bytes(raw)
        finally:
            await answer.aclose()

    def _read(self, method: str, kind: type[Result], status: int, raw: bytes) -> Result:
        try:
            answer = msgspec.json.decode(raw, type=_Answer)
            if answer.ok:
                return msgspec.json.decode(answer.result, type=kind)
        except (ValueError, RecursionError, ArithmeticError):
            code = status if status >= _SERVER_ERROR else 0
            text = f"{method}: an answer that can't be read (HTTP {status})"
            raise BotError(text, code=code, sure=False) from None
        raise self._refusal(method, status, answer)

    def _refusal(self, method: str, status: int, answer: _Answer) -> BotError:
        code = answer.error_code or status
        said = answer.description.replace(self._token.get_secret_value(), _HIDDEN)[:300]
        moved = answer.parameters.migrate_to_chat_id
        if moved is not None:
            said += f"; the chat is now {moved}"
        after = None
        if code == _TOO_MANY:
            after = _bounded(answer.parameters.retry_after)
        return BotError(
            f"{method}: {code} {said}", code=code, retry_after=after, sure=code < _SERVER_ERROR
        )


def _bounded(seconds: float | None) -> float:
    """Give what a 429 asked for, in a range that makes sense."""
    if seconds is None or not math.isfinite(seconds) or seconds < 0:
        return _DEFAULT_RETRY_AFTER
    return min(seconds, MAX_RETRY_AFTER_SECONDS)
