"""The one way to Elasticsearch: bounded, without retries of its own (the poller's next poll is)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from elasticsearch import (
    ApiError,
    AsyncElasticsearch,
    SerializationError,
    TransportError,
)

from cryptostream.contracts.errors import CryptostreamError, Failure

if TYPE_CHECKING:
    from cryptostream.board.queries import Body
    from cryptostream.contracts.settings import ElasticsearchSettings

REQUEST_TIMEOUT_SECONDS: Final = 4.0
MAX_CONNECTIONS: Final = 8
#: One copy of each shard answers all polls: another one may have refreshed less.
PREFERENCE: Final = "cryptostream-board"
_TOO_MANY_REQUESTS: Final = 429
_SERVER_ERROR: Final = 500
_DENIED: Final = frozenset({401, 403})


class SearchError(CryptostreamError):
    """Elasticsearch gave no answer that can be used; the text is fit to be shown."""

    def __init__(self, failure: Failure, text: str) -> None:
        super().__init__(text)
        self.failure = failure


def classify(error: Exception) -> SearchError:
    """Say what a failed search asks for: the only place that decides it."""
    if isinstance(error, ApiError):
        status = error.status_code
        if status in _DENIED:
            return SearchError(Failure.FATAL, f"Elasticsearch refuses the board's user ({status})")
        if status == _TOO_MANY_REQUESTS or status >= _SERVER_ERROR:
            return SearchError(Failure.TRANSIENT, f"Elasticsearch is overloaded ({status})")
        return SearchError(Failure.POISON, f"Elasticsearch refuses the query ({status})")
    if isinstance(error, SerializationError):
        return SearchError(Failure.TRANSIENT, "Elasticsearch answers something that is no JSON")
    return SearchError(Failure.TRANSIENT, "Elasticsearch can't be reached")


def connect(settings: ElasticsearchSettings) -> AsyncElasticsearch:
    """Make the client; it connects on first use."""
    return AsyncElasticsearch(
        **settings.client_options(),
        request_timeout=REQUEST_TIMEOUT_SECONDS,
        connections_per_node=MAX_CONNECTIONS,
        max_retries=0,
        retry_on_timeout=False,
    )


class Search:
    """Asks one question at a time; every failure comes out as `SearchError`."""

    def __init__(self, client: AsyncElasticsearch) -> None:
        self._client = client

    async def ask(self, indices: str, body: Body) -> dict[str, Any]:
        """Search; indices that don't exist are empty. Raises `SearchError`."""
        try:
            answer = await self._client.search(
                index=indices,
                ignore_unavailable=True,
                allow_no_indices=True,
                preference=PREFERENCE,
                **_arguments(body),
            )
        except (ApiError, TransportError) as error:
            raise classify(error) from error
        found: dict[str, Any] = answer.body
        if found.get("timed_out") or found.get("_shards", {}).get("failed"):
            # Part of an answer must not move a cursor: what is missing would be lost.
            raise SearchError(Failure.TRANSIENT, "Elasticsearch answers only in part")
        return found

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()


def _arguments(body: Body) -> dict[str, Any]:
    """Name the body's parts as the client does."""
    return {("source" if key == "_source" else key): value for key, value in body.items()}
