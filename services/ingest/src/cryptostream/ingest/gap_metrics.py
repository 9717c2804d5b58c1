"""The metrics of gaps; symbols are counted by how busy they are, so that labels stay few."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from prometheus_client import CollectorRegistry, Counter, Gauge

from cryptostream.contracts.metrics import metric
from cryptostream.ingest.metrics import ROOM

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptostream.contracts.messages import Gap

#: Trades per second from which on a symbol belongs to a group.
GROUPS: Final = (("busy", 1.0), ("usual", 0.05), ("quiet", 0.0))
#: Causes come from a few places in the code; should one carry free text, it ends here.
MAX_CAUSES: Final = 20


class GapMetrics:
    """Counters and gauges in the registry of the process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._causes: set[str] = set()
        self._requests = 0
        self.open_seconds = Gauge(
            metric(ROOM, "open_gap_seconds"),
            "Length of the gaps that nothing closed so far",
            ["group"],
            registry=registry,
        )
        self.gaps = Counter(
            metric(ROOM, "gaps_total"),
            "Tellings of gaps by cause and state",
            ["cause", "state"],
            registry=registry,
        )
        self.stitched = Counter(
            metric(ROOM, "trades_stitched_total"),
            "Trades fetched by REST that nobody had",
            registry=registry,
        )
        self.requests = Counter(
            metric(ROOM, "recent_requests_total"),
            "REST requests for recent trades",
            registry=registry,
        )

    def told(self, gaps: Sequence[Gap]) -> None:
        """Count the changes that are told."""
        for gap in gaps:
            if len(self._causes) < MAX_CAUSES:
                self._causes.add(gap.cause)
            cause = gap.cause if gap.cause in self._causes else "other"
            self.gaps.labels(cause, gap.state).inc()

    def looked(self, open_ms: Mapping[str, int], rates: Mapping[str, float], requests: int) -> None:
        """Bring the gauges up to date.

        Args:
            open_ms: symbol -> length of its open gaps, milliseconds.
            rates: symbol -> recent trades per second.
            requests: requests since the start of the process.
        """
        seconds = dict.fromkeys((name for name, _ in GROUPS), 0.0)
        for symbol, length in open_ms.items():
            seconds[group_of(rates.get(symbol, 0.0))] += length / 1000
        for name, value in seconds.items():
            self.open_seconds.labels(name).set(value)
        self.requests.inc(requests - self._requests)
        self._requests = requests


def group_of(rate: float) -> str:
    """Name the group of a symbol with so many trades per second."""
    return next(name for name, least in GROUPS if rate >= least)
