"""The book on disk, so that a replayed micro-batch gives the same result bit for bit.

Spark replays at most the last uncommitted batch. What batch N did is written after its
documents are settled and before Spark commits it; whoever runs batch N restores everything
older than N first. Two kinds of files in one folder:

    <batch id>.states.json   the feature states after the batch; the newest few are kept
    <batch id>.seen.json     the ids that the batch saw first; kept for the horizon
"""

from __future__ import annotations

import logging
import os
from typing import TYPE_CHECKING, Any, Final

import orjson

from cryptostream.contracts.features import FEATURES_HASH, STATE_SIZE, State
from cryptostream.stream.book import Book

if TYPE_CHECKING:
    from pathlib import Path

log = logging.getLogger(__name__)

#: Spark can ask for N - 1 again; one more guards against a file torn by a crash of the disk.
KEEP_STATES: Final = 3


class Journal:
    """The journal of one query, in a folder of its own."""

    def __init__(self, folder: Path, *, horizon_ms: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._horizon_ms = horizon_ms
        self._times: dict[int, int] = {}

    def save(self, batch_id: int, book: Book, fresh_ids: list[str], now_ms: int) -> None:
        """Write what the batch left behind, each file atomically, and drop what is too old."""
        self._write(f"{batch_id}.seen.json", {"time": now_ms, "ids": fresh_ids})
        states = {"features_hash": FEATURES_HASH, "states": book.states}
        self._write(f"{batch_id}.states.json", states)
        self._times[batch_id] = now_ms
        for old in self._batches("states")[:-KEEP_STATES]:
            (self._folder / f"{old}.states.json").unlink(missing_ok=True)
        for old in [one for one, time in self._times.items() if time < now_ms - self._horizon_ms]:
            (self._folder / f"{old}.seen.json").unlink(missing_ok=True)
            del self._times[old]

    def before(self, batch_id: int) -> Book:
        """Give the book as it was before `batch_id`; an empty one (cold) without any file.

        Files of `batch_id` and later belong to a run whose commit never happened.
        """
        seen: dict[str, int] = {}
        self._times = {}
        for found in (one for one in self._batches("seen") if one < batch_id):
            content = self._read(f"{found}.seen.json") or {"time": 0, "ids": []}
            self._times[found] = content["time"]
            seen.update(dict.fromkeys(content["ids"], content["time"]))
        return Book(horizon_ms=self._horizon_ms, states=self._states(batch_id), seen=seen)

    def _states(self, batch_id: int) -> dict[str, State]:
        for found in reversed([one for one in self._batches("states") if one < batch_id]):
            content = self._read(f"{found}.states.json")
            if content is not None and _is_usable(content):
                log.info("features_restored", extra={"fields": {"after_batch": found}})
                states: dict[str, State] = content["states"]
                return states
        if batch_id > 0:
            log.warning("features_cold", extra={"fields": {"before_batch": batch_id}})
        return {}

    def _batches(self, kind: str) -> list[int]:
        suffix = f".{kind}.json"
        names = (path.name.removesuffix(suffix) for path in self._folder.glob(f"*{suffix}"))
        return sorted(int(name) for name in names if name.isdecimal())

    def _write(self, name: str, content: dict[str, Any]) -> None:
        draft = self._folder / f"{name}.tmp"
        draft.write_bytes(orjson.dumps(content))
        os.replace(draft, self._folder / name)  # noqa: PTH105 - says atomic to every reader

    def _read(self, name: str) -> dict[str, Any] | None:
        """Read a file; None if it is torn."""
        try:
            content = orjson.loads((self._folder / name).read_bytes())
        except (OSError, ValueError) as error:
            log.warning("journal_unreadable", extra={"fields": {"file": name, "why": error}})
            return None
        return content if isinstance(content, dict) else None


def _is_usable(content: dict[str, Any]) -> bool:
    """Tell whether the states are of today's features."""
    states = content.get("states")
    return (
        content.get("features_hash") == FEATURES_HASH
        and isinstance(states, dict)
        and all(len(state) == STATE_SIZE for state in states.values())
    )
