"""Conventions of the Prometheus metrics.

Every metric is called `cryptostream_<room>_<what>_<unit>`; labels are few and bounded (a
reason, a component, a shard; never an id, a price or free text). Each process serves its
metrics on its own HTTP port under `/metrics`.
"""

from __future__ import annotations

from typing import Final

#: Seconds; from a local hop to a stall worth an alarm.
LATENCY_BUCKETS: Final = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.35, 0.5,
    0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 30.0,
)  # fmt: skip


#: Memory of each component of a stack on one machine, as who started it serves it and the board
#: shows it; its label is `component`.
RESIDENT_BYTES: Final = "cryptostream_stack_resident_bytes"


def metric(room: str, what: str) -> str:
    """Name a metric: `metric("ingest", "trades_total")` -> `cryptostream_ingest_trades_total`."""
    return f"cryptostream_{room}_{what}"
