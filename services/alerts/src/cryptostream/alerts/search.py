"""The one way to Elasticsearch: searches and bulk writes over httpx, bounded, no retries.

Elasticsearch's own client would be half of this process's memory (56 MB, measured); what is needed
here is three requests.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any, Final

import httpx
import msgspec

from cryptostream.alerts.errors import SearchError
from cryptostream.contracts.indices import PREFIX

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.settings import ElasticsearchSettings

REQUEST_SECONDS: Final = 5.0
MAX_ANSWER_BYTES: Final = 8 * 1024 * 1024
TEMPLATE: Final = f"{PREFIX}-receipts"
_OK: Final = 200
_NOT_FOUND: Final = 404
_NDJSON: Final = "application/x-ndjson"
Document = tuple[str, str, dict[str, Any]]


class Search:
    """Asks and writes; every failure comes out as `SearchError`."""

    def __init__(self, settings: ElasticsearchSettings) -> None:
        password = settings.password.get_secret_value()
        verify: ssl.SSLContext | bool = True
        if settings.ca_certs:
            verify = ssl.create_default_context(cafile=settings.ca_certs)
        self._client = httpx.AsyncClient(
            base_url=settings.url.rstrip("/"),
            auth=httpx.BasicAuth(settings.username, password) if settings.username else None,
            verify=verify,
            timeout=REQUEST_SECONDS,
            trust_env=False,
        )
        self._has_template = False

    async def ask(self, indices: str, body: dict[str, Any]) -> dict[str, Any]:
        """Search; indices that don't exist are empty. Raises `SearchError`."""
        path = f"/{indices}/_search?ignore_unavailable=true&allow_no_indices=true"
        return await self._send("POST", path, msgspec.json.encode(body), "application/json")

    async def write(self, documents: Sequence[Document]) -> list[int]:
        """Index (index, id, document) in one bulk; give each one's status. Raises `SearchError`."""
        await self._require_template()
        lines = []
        for index, identity, document in documents:
            lines.append(msgspec.json.encode({"index": {"_index": index, "_id": identity}}))
            lines.append(msgspec.json.encode(document))
        path = "/_bulk?filter_path=errors,items.*.status"
        answer = await self._send("POST", path, b"\n".join([*lines, b""]), _NDJSON)
        statuses = [int(item["index"]["status"]) for item in answer.get("items", [])]
        if len(statuses) != len(documents):
            raise SearchError("Elasticsearch answers a bulk only in part")
        return statuses

    async def _require_template(self) -> None:
        """Don't write while a document would make an index with guessed types."""
        if not self._has_template:
            await self._send("GET", f"/_index_template/{TEMPLATE}", b"", "application/json")
            self._has_template = True

    async def _send(self, method: str, path: str, body: bytes, kind: str) -> dict[str, Any]:
        try:
            answer = await self._client.request(
                method, path, content=body, headers={"Content-Type": kind}
            )
        except httpx.HTTPError as error:
            name = type(error).__name__
            raise SearchError(f"Elasticsearch can't be reached ({name})") from error
        if answer.status_code != _OK:
            what = f"has no {path}" if answer.status_code == _NOT_FOUND else "refuses"
            raise SearchError(f"Elasticsearch {what} ({answer.status_code})")
        try:
            if len(answer.content) > MAX_ANSWER_BYTES:
                raise SearchError("Elasticsearch answers too much")
            return msgspec.json.decode(answer.content, type=dict[str, Any])
        except (ValueError, RecursionError) as error:
            raise SearchError("Elasticsearch answers something that is no JSON") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
