"""Measures from outside how long a trade takes until a search finds it.

A probe searches as any user would: documents count when they come back, not when a bulk says
so. It polls, so a figure is late by half of `POLL_SECONDS` on average, never early.
"""

from __future__ import annotations

import contextlib
import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

from elasticsearch import ApiError, TransportError

from cryptostream.contracts.indices import index_name

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from elasticsearch import Elasticsearch

POLL_SECONDS: Final = 0.1
#: More than a refresh can bring at 20,000 trades/s; what is left comes with the next poll.
PAGE: Final = 5_000
#: A day's samples at any rate would not fit: beyond this many, every second one is dropped.
MAX_SAMPLES: Final = 200_000
_REQUEST_SECONDS: Final = 5.0


def percentiles(samples: Sequence[float]) -> dict[str, float | None]:
    """Give p50, p95 and p99 by the nearest-rank method; None where there is no sample."""
    ordered = sorted(samples)
    if not ordered:
        return {"p50": None, "p95": None, "p99": None}
    return {
        f"p{share}": round(ordered[max(0, -(-share * len(ordered) // 100) - 1)], 1)
        for share in (50, 95, 99)
    }


class Probe:
    """Follows today's trades index by sequence number and notes each document's age."""

    def __init__(
        self,
        client: Elasticsearch,
        *,
        clock_ms: Callable[[], float] = lambda: time.time() * 1000.0,
    ) -> None:
        self._client = client.options(request_timeout=_REQUEST_SECONDS, max_retries=0)
        self._clock_ms = clock_ms
        self._stop = Event()
        self._thread = Thread(target=self._run, name="latency-probe", daemon=True)
        self._after: dict[str, int] = {}
        self._stride = 1
        self.samples: list[float] = []

    def start(self) -> None:
        """Begin after the documents that are there already; raises nothing."""
        self._thread.start()

    def stop(self) -> dict[str, float | None]:
        """End the probe; gives {p50, p95, p99} in milliseconds from exchange to searchable."""
        self._stop.set()
        self._thread.join(2 * _REQUEST_SECONDS)
        return percentiles(self.samples)

    def _run(self) -> None:
        while not self._stop.wait(POLL_SECONDS):
            # A server that is down for a moment delays documents; the next poll sees by how much.
            with contextlib.suppress(ApiError, TransportError):
                self.poll()

    def poll(self) -> None:
        """Search once for documents that no search has found before."""
        index = index_name("trades", int(self._clock_ms()))
        after = self._after.get(index)
        if after is None:
            self._after[index] = self._newest(index)
            return
        hits = self._search(index, after)
        seen = self._clock_ms()
        for hit in hits[:: self._stride]:
            self.samples.append(seen - float(hit["fields"]["exchange_time"][0]))
        if hits:
            self._after[index] = hits[-1]["sort"][0]
        if len(self.samples) > MAX_SAMPLES:
            self.samples, self._stride = self.samples[::2], self._stride * 2

    def _search(self, index: str, after: int) -> list[dict[str, Any]]:
        answer = self._client.search(
            index=index,
            ignore_unavailable=True,
            size=PAGE,
            source=False,
            track_total_hits=False,
            docvalue_fields=[{"field": "exchange_time", "format": "epoch_millis"}],
            query={"range": {"_seq_no": {"gt": after}}},
            sort=[{"_seq_no": "asc"}],
        )
        hits: list[dict[str, Any]] = answer["hits"]["hits"]
        return hits

    def _newest(self, index: str) -> int:
        answer = self._client.search(
            index=index,
            ignore_unavailable=True,
            size=1,
            source=False,
            track_total_hits=False,
            sort=[{"_seq_no": "desc"}],
        )
        hits = answer["hits"]["hits"]
        return int(hits[0]["sort"][0]) if hits else -1
