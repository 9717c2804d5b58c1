"""Feature states on disk, one file per micro-batch, so that a replayed batch gives equal vectors.

Spark replays at most the last uncommitted batch. The snapshot of batch N is written after its
documents are settled and before Spark commits it; whoever runs batch N first restores the
newest snapshot older than N.
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Final

import orjson

from cryptostream.contracts.features import FEATURES_HASH, STATE_SIZE, State

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

#: Spark can ask for N - 1 again; one more guards against a file torn by a crash of the disk.
KEEP: Final = 3


class Snapshots:
    """The snapshots in one folder, `<batch id>.json` each."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder

    def save(self, batch_id: int, states: dict[str, State]) -> None:
        """Write the states as they are after `batch_id`, atomically, and drop old files."""
        body = orjson.dumps({"features_hash": FEATURES_HASH, "states": states})
        target = self._folder / f"{batch_id}.json"
        draft = target.with_suffix(".tmp")
        draft.write_bytes(body)
        os.replace(draft, target)  # noqa: PTH105 - says atomic to every reader
        for old in self._ids()[:-KEEP]:
            (self._folder / f"{old}.json").unlink(missing_ok=True)

    def before(self, batch_id: int) -> dict[str, State]:
        """Give the states as they were before `batch_id`; empty (cold) if there are none.

        Snapshots of `batch_id` and later belong to a run whose commit never happened.
        """
        for found in reversed([kept for kept in self._ids() if kept < batch_id]):
            states = self._load(found)
            if states is not None:
                log.info("features_restored", extra={"fields": {"after_batch": found}})
                return states
        if batch_id > 0:
            log.warning("features_cold", extra={"fields": {"before_batch": batch_id}})
        return {}

    def _ids(self) -> list[int]:
        names = (path.stem for path in self._folder.glob("*.json"))
        return sorted(int(name) for name in names if name.isdecimal())

    def _load(self, batch_id: int) -> dict[str, State] | None:
        """Read one snapshot; None if it is torn or holds the states of other features."""
        try:
            content = orjson.loads((self._folder / f"{batch_id}.json").read_bytes())
            states: dict[str, State] = content["states"]
            usable = content["features_hash"] == FEATURES_HASH and all(
                len(state) == STATE_SIZE for state in states.values()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            log.warning("snapshot_unreadable", extra={"fields": {"id": batch_id, "why": error}})
            return None
        return states if usable else None
