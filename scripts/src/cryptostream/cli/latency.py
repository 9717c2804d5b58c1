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

POLL_SECONDS: Final = 0.2
#: Width of the steps in which exchange times are counted, and so the error of a figure.
BUCKET_MS: Final = 10
#: A pipeline has caught up when for so long no document was older than this.
CAUGHT_UP_MS: Final = 2_000.0
CAUGHT_UP_SECONDS: Final = 3.0
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
        self._behind_until = clock_ms()
        self._latest = 0.0
        self.samples: list[float] = []

    @property
    def caught_up(self) -> bool:
        """Tell whether what becomes searchable is fresh, and has been for a while."""
        now = self._clock_ms()
        # Nothing old for a while is no proof while nothing comes at all.
        comes = now - self._latest <= CAUGHT_UP_MS
        return comes and now - self._behind_until >= CAUGHT_UP_SECONDS * 1000

    def restart(self) -> None:
        """Forget the samples so far."""
        self.samples, self._stride = [], 1

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
        # The first search only learns where to begin.
        buckets, newest = self._search(index, -1 if after is None else after)
        seen = self._clock_ms()
        self._after[index] = newest
        if after is None:
            return
        ages = [
            seen - float(bucket["key"]) - BUCKET_MS / 2
            for bucket in buckets
            for _ in range(bucket["doc_count"])
        ]
        if max(ages, default=0.0) > CAUGHT_UP_MS:
            self._behind_until = seen
        self._latest = max(self._latest, seen - min(ages, default=seen))
        self.samples += ages[:: self._stride]
        if len(self.samples) > MAX_SAMPLES:
            self.samples, self._stride = self.samples[::2], self._stride * 2

    def _search(self, index: str, after: int) -> tuple[list[dict[str, Any]], int]:
        """Count the documents beyond a sequence number by exchange time; give the newest number.

        Counts instead of hits: fetching each document cost a tenth of what indexing it did.
        """
        answer = self._client.search(
            index=index,
            ignore_unavailable=True,
            size=0,
            track_total_hits=False,
            query={"range": {"_seq_no": {"gt": after}}},
            aggs={
                "newest": {"max": {"field": "_seq_no"}},
                "times": {
                    "histogram": {
                        "field": "exchange_time",
                        "interval": BUCKET_MS,
                        "min_doc_count": 1,
                    }
                },
            },
        )
        found = answer.get("aggregations", {})
        newest = found.get("newest", {}).get("value")
        buckets = found.get("times", {}).get("buckets", [])
        return buckets, after if newest is None else int(newest)
