"""What the clients have in common."""

from __future__ import annotations

from typing import Final

#: As ingest's own producer has it, for each client that is built on the same library.
PRODUCER: Final[dict[str, str | int | bool]] = {
    "enable.idempotence": True,
    "acks": "all",
    "compression.type": "lz4",
    "linger.ms": 25,
}
