"""Bulk writes to Elasticsearch in which every item is settled before the call returns.

An item is settled when it is written, when it was there already (409 on `create`), or when it
is poison (any other 4xx) and handed to the caller with its reason. 429 and 5xx, of an item or
of the whole request, are tried again with capped back-off until a deadline; after it the batch
fails, the process ends, and the supervisor's restart replays the batch: ids make that harmless.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from elastic_transport import ConnectionError as TransportError
from elastic_transport import ConnectionTimeout
from elasticsearch import ApiError, Elasticsearch

from cryptostream.contracts.errors import CryptostreamError, Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cryptostream.contracts.settings import ElasticsearchSettings
    from cryptostream.stream.documents import Action

log = logging.getLogger(__name__)

#: Larger requests gain nothing measurable and cost memory on both sides.
MAX_ACTIONS: Final = 5_000
MAX_BYTES: Final = 8 * 1024 * 1024
DEADLINE_SECONDS: Final = 120.0
_REQUEST_SECONDS: Final = 30.0
_FIRST_DELAY_SECONDS: Final = 0.1
_DELAY_CAP_SECONDS: Final = 5.0
_CREATED_ALREADY: Final = 409
_TOO_MANY: Final = 429
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500
_HEADERS: Final = {"content-type": "application/x-ndjson", "accept": "application/json"}
_ONLY: Final = {"filter_path": "errors,items.*.status,items.*.error.type,items.*.error.reason"}


class SinkUnavailableError(CryptostreamError):
    """Elasticsearch did not take the batch before the deadline."""

    failure = Failure.TRANSIENT


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """Build a client that leaves retries to the caller; connects on first use."""
    return Elasticsearch(
        **settings.client_options(), request_timeout=_REQUEST_SECONDS, max_retries=0
    )


@dataclass(frozen=True, slots=True)
class Refused:
    """A document that Elasticsearch will never take, with its reason."""

    action: Action
    status: int
    reason: str


@dataclass(slots=True)
class Outcome:
    """What became of a batch's actions."""

    written: int = 0
    existed: int = 0
    retried: int = 0
    refused: tuple[Refused, ...] = ()


class BulkWriter:
    """Writes actions through one client.

    With `refresh_seconds` what was written is searchable when the answer comes, unless that was so
    of a bulk less than so long ago: then the index's own refresh shows it.

    Several threads may write at once, as long as one alone lets its writes refresh.
    """

    def __init__(
        self,
        client: Elasticsearch,
        *,
        deadline_seconds: float = DEADLINE_SECONDS,
        refresh_seconds: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._deadline = deadline_seconds
        self._refresh = refresh_seconds
        self._refreshed = -math.inf
        self._clock = clock
        self._sleep = sleep

    def write(self, actions: Sequence[Action], *, refresh: bool = True) -> Outcome:
        """Settle every action; raises `SinkUnavailableError` if that can't be done in time.

        With `refresh` false more of the same batch is to come, and nobody looks before.
        """
        outcome = Outcome()
        deadline = self._clock() + self._deadline
        parts = list(chunks(actions))
        for number, chunk in enumerate(parts, 1):
            is_last = refresh and number == len(parts)
            self._settle(chunk, outcome, deadline, refresh=is_last and self._is_due())
        return outcome

    def _is_due(self) -> bool:
        """Tell whether the last asked-for refresh is long enough ago, and note this one."""
        now = self._clock()
        if self._refresh is None or now - self._refreshed < self._refresh:
            return False
        self._refreshed = now
        return True

    def _settle(
        self, chunk: list[Action], outcome: Outcome, deadline: float, *, refresh: bool
    ) -> None:
        pending, delay = chunk, _FIRST_DELAY_SECONDS
        while pending := self._try(pending, outcome, refresh=refresh):
            if self._clock() + delay > deadline:
                raise SinkUnavailableError(f"{len(pending)} documents were not taken in time")
            outcome.retried += len(pending)
            self._sleep(delay)
            delay = min(delay * 2, _DELAY_CAP_SECONDS)

    def _try(self, actions: list[Action], outcome: Outcome, *, refresh: bool) -> list[Action]:
        """Send the actions once; give back those that are worth another try."""
        try:
            items = self._send(actions, refresh=refresh)
        except (TransportError, ConnectionTimeout) as error:
            log.warning("bulk_unreachable", extra={"fields": {"why": error}})
            return actions
        except ApiError as error:
            if error.status_code != _TOO_MANY and error.status_code < _SERVER_ERROR:
                raise
            log.warning("bulk_refused", extra={"fields": {"status": error.status_code}})
            return actions
        return [
            action
            for action, item in zip(actions, items, strict=True)
            if not _settled(action, item, outcome)
        ]

    def _send(self, actions: list[Action], *, refresh: bool) -> list[dict[str, Any]]:
        body = b"".join(part for action in actions for part in (action.header, action.body))
        params = _ONLY | {"refresh": "true"} if refresh else _ONLY
        answer = self._client.perform_request(
            "POST", "/_bulk", params=params, headers=_HEADERS, body=body
        )
        return [next(iter(item.values())) for item in answer.body["items"]]


def _settled(action: Action, item: dict[str, Any], outcome: Outcome) -> bool:
    status = item["status"]
    if status == _TOO_MANY or status >= _SERVER_ERROR:
        return False
    if status < _CLIENT_ERROR:
        outcome.written += 1
    elif status == _CREATED_ALREADY:
        outcome.existed += 1
    else:
        error = item.get("error", {})
        reason = f"{error.get('type', 'unknown')}: {error.get('reason', '')}"
        outcome.refused += (Refused(action, status, reason),)
    return True


def chunks(actions: Sequence[Action]) -> Iterator[list[Action]]:
    """Cut actions into requests of at most `MAX_ACTIONS` and about `MAX_BYTES`."""
    chunk: list[Action] = []
    size = 0
    for action in actions:
        if chunk and (len(chunk) >= MAX_ACTIONS or size + action.size > MAX_BYTES):
            yield chunk
            chunk, size = [], 0
        chunk.append(action)
        size += action.size
    if chunk:
        yield chunk
