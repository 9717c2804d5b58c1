"""The room's Prometheus metrics."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

from cryptostream.contracts.metrics import metric


def _name(what: str) -> str:
    return metric("alerts", what)


EVENTS: Final = Counter(_name("events_total"), "Events taken in, by source", ["source"])
REPEATED: Final = Counter(_name("repeated_events_total"), "Events that had come before")
REFUSED: Final = Counter(_name("refused_inputs_total"), "Inputs that are none", ["source"])
DELIVERIES: Final = Counter(
    _name("deliveries_total"), "Tries to deliver, by how they ended", ["channel", "state", "reason"]
)
DECISIONS: Final = Counter(
    _name("decisions_total"), "What was decided on an event for a chat", ["decision"]
)
OPEN: Final = Gauge(_name("open_events"), "Events not settled, or without a receipt")
MESSAGES: Final = Gauge(_name("messages"), "Messages in the outbox", ["state"])
DELAY: Final = Histogram(
    _name("delivery_delay_seconds"),
    "From an event to its arrival",
    buckets=(0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 300, 1_800, 3_600, 28_800),
)
RECEIPTS: Final = Counter(_name("receipts_total"), "Receipts written, by result", ["result"])
COMMANDS: Final = Counter(_name("commands_total"), "Commands, by name", ["command"])
UPDATES_OK: Final = Gauge(_name("telegram_up"), "Whether Telegram answers")
