"""Kafka topics: their names, and the settings they are created with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

DEAD_LETTERS: Final = "crypto-dead-letters"
ALERTS: Final = "crypto-alerts"
GAPS: Final = "crypto-gaps"
#: What each instance of ingest receives, key = instance; only the last word of each matters.
COVERAGE: Final = "crypto-coverage"
BYBIT_TRADES: Final = "bybit-trades"
#: Spark subscribes by this pattern, so a further exchange needs no change of the stream.
TRADES_PATTERN: Final = "[a-z0-9]+-trades"

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


def trades_topic(exchange: str) -> str:
    """Name the topic of an exchange's trades: `bybit` -> `bybit-trades`."""
    return f"{exchange}-trades"


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it is to be created; `config` holds Kafka's own option names."""

    name: str
    partitions: int
    config: dict[str, str] = field(default_factory=dict)


#: Few partitions per consumer keep a micro-batch cheap.
TOPICS: Final = (
    Topic(BYBIT_TRADES, 4, {"retention.ms": str(_DAY_MS), "compression.type": "producer"}),
    Topic(DEAD_LETTERS, 1, {"retention.ms": str(7 * _DAY_MS)}),
    Topic(ALERTS, 1, {"retention.ms": str(7 * _DAY_MS)}),
    Topic(GAPS, 1, {"retention.ms": str(7 * _DAY_MS)}),
    Topic(COVERAGE, 1, {"retention.ms": str(_HOUR_MS)}),
)
