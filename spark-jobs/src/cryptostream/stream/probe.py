"""The probe: how long after its settlement a document is found by a search.

The answer to a bulk says that a document is safe, not that a search sees it: that takes the next
refresh. So one document a second is searched for until it is found.
"""

from __future__ import annotations

import logging
import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

from elasticsearch import ApiError, Elasticsearch, TransportError

from cryptostream.stream import metrics

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.stream.settled import Document, Settled

log = logging.getLogger(__name__)

#: One document in so much time is probed.
EVERY_SECONDS: Final = 1.0
#: The resolution of what is measured. A search for one id costs Elasticsearch about 1 ms.
POLL_SECONDS: Final = 0.05
#: A document that isn't found by then is counted as missed.
GIVE_UP_SECONDS: Final = 30.0


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class Probe:
    """Searches for settled documents from a thread of its own."""

    def __init__(
        self,
        client: Elasticsearch,
        settled: Settled,
        *,
        clock_ms: Callable[[], int] = _now_ms,
        give_up_seconds: float = GIVE_UP_SECONDS,
    ) -> None:
        self._client = client
        self._settled = settled
        self._clock_ms = clock_ms
        self._give_up_ms = int(give_up_seconds * 1_000)
        self._last: Document | None = None

    def start(self, stop: Event) -> None:
        """Probe from a daemon thread until `stop` is set."""
        Thread(target=self._run, args=(stop,), name="probe", daemon=True).start()

    def _run(self, stop: Event) -> None:
        while not stop.wait(EVERY_SECONDS):
            document = self._settled.document
            if document is not None and document is not self._last:
                self._last = document
                self.search(document, stop)

    def search(self, document: Document, stop: Event) -> None:
        """Search for one document until it is found, `stop` is set or the time is up.

        Observes the hops `settled_searchable` and `exchange_searchable`.
        """
        while not stop.is_set():
            asked = self._clock_ms()
            try:
                found = self._finds(document)
            except (ApiError, TransportError) as error:
                # Elasticsearch is away: that says nothing about refreshes.
                log.info("probe_failed", extra={"fields": {"why": error}})
                metrics.PROBES.labels("failed").inc()
                return
            if found:
                _observe(document, asked)
                return
            if asked - document.settled_time > self._give_up_ms:
                fields = {"index": document.index_name, "id": document.identity}
                log.warning("probe_missed", extra={"fields": fields})
                metrics.PROBES.labels("missed").inc()
                return
            stop.wait(POLL_SECONDS)

    def _finds(self, document: Document) -> bool:
        query = {"ids": {"values": [document.identity]}}
        return bool(self._client.count(index=document.index_name, query=query)["count"])


def _observe(document: Document, found_ms: int) -> None:
    metrics.PROBES.labels("found").inc()
    for hop, start in (
        ("settled_searchable", document.settled_time),
        ("exchange_searchable", document.exchange_time),
    ):
        metrics.HOP_SECONDS.labels(hop).observe(max(0, found_ms - start) / 1000.0)
