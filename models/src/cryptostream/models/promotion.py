"""Which model is served: the pointer, and the append-only log of all that it ever named.

The pointer is the truth and the log its story. The way of a change, under a lock:
1. the log is read; if the pointer names what the log doesn't end with (a training wrote it, or a
   crash came between 2 and 3), that is told as `adopted`;
2. the pointer is replaced in one step;
3. the log gets its line.

Rolling back goes to the model served before the one in service, and again to the one before that:
a model that was rolled back is never rolled forward to.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from cryptostream.models.errors import PromotionError
from cryptostream.models.pointing import Saved, write_pointer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Event = Literal["adopted", "promoted", "rolled_back"]
LOG_NAME: Final = "promotions.jsonl"
MAX_LOG_BYTES: Final = 64 * 1024 * 1024


class Change(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of the log: since `time` (epoch ms) `model` was served instead of `previous`."""

    time: int
    event: Event
    model: str
    sha256: str
    previous: str
    reason: str


class Promotions:
    """The pointer file and its log beside it; safe for several processes of one machine.

    Args:
        pointer: the file that names the model to serve.
        wall_ms: the clock, epoch milliseconds.
    """

    def __init__(self, pointer: Path, wall_ms: Callable[[], int]) -> None:
        self._pointer = pointer
        self._log = pointer.with_name(LOG_NAME)
        self._wall_ms = wall_ms

    def current(self) -> Saved | None:
        """Give what the pointer names; None if there is none. Raises `PromotionError`."""
        try:
            found = msgspec.json.decode(self._pointer.read_bytes(), type=dict[str, str])
            return Saved(found["tag"], found["sha256"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError) as error:
            raise PromotionError(f"{self._pointer}: no pointer: {error}") from error

    def history(self) -> list[Change]:
        """Give all changes, oldest first; a last line cut off by a crash is left out."""
        try:
            if self._log.stat().st_size > MAX_LOG_BYTES:
                raise PromotionError(f"{self._log} is larger than {MAX_LOG_BYTES} bytes; move it")
            lines = self._log.read_bytes().splitlines()
        except FileNotFoundError:
            return []
        return [change for at, line in enumerate(lines) if (change := self._change(line, at))]

    def served_since_ms(self) -> int:
        """Tell since when the model in service is; 0 if nobody knows."""
        changes, current = self.history(), self.current()
        if not changes or current is None or changes[-1].model != current.tag:
            return 0
        return changes[-1].time

    def promote(self, saved: Saved, reason: str) -> Change:
        """Serve the model from now on."""
        with self._locked():
            return self._serve("promoted", saved, reason)

    def rollback(self, reason: str) -> Change:
        """Serve the model before the one in service; raises `PromotionError` without one."""
        with self._locked():
            before = _stack(self._adopted())
            if len(before) < 2:  # noqa: PLR2004 - the one in service and one below it
                raise PromotionError("nothing to roll back to: no model was served before this one")
            return self._serve("rolled_back", before[-2], reason)

    def roll_back_from(self, model: str, reason: str) -> Change | None:
        """Roll back if this model is in service and another was before it; else do nothing."""
        current = self.current()
        if current is None or current.tag != model:
            return None
        try:
            return self.rollback(reason)
        except PromotionError:
            return None

    def _serve(self, event: Event, saved: Saved, reason: str) -> Change:
        self._adopted()
        previous = self.current()
        write_pointer(self._pointer, saved)
        return self._append(event, saved, previous.tag if previous else "", reason)

    def _adopted(self) -> list[Change]:
        """Give the log once it ends with what the pointer names."""
        changes, current = self.history(), self.current()
        if current is not None and (not changes or changes[-1].model != current.tag):
            previous = changes[-1].model if changes else ""
            changes.append(self._append("adopted", current, previous, "found in the pointer"))
        return changes

    def _append(self, event: Event, saved: Saved, previous: str, reason: str) -> Change:
        change = Change(self._wall_ms(), event, saved.tag, saved.sha256, previous, reason)
        with self._log.open("ab") as log:
            if log.tell() and not self._ends_whole():
                log.write(b"\n")  # the half line of a crash stays a line of its own
            log.write(msgspec.json.encode(change) + b"\n")
            log.flush()
            os.fsync(log.fileno())
        return change

    def _ends_whole(self) -> bool:
        with self._log.open("rb") as log:
            log.seek(-1, os.SEEK_END)
            return log.read(1) == b"\n"

    def _change(self, line: bytes, at: int) -> Change | None:
        try:
            return msgspec.json.decode(line, type=Change)
        except msgspec.ValidationError as error:
            raise PromotionError(f"{self._log}:{at + 1}: {error}") from error
        except msgspec.DecodeError:
            return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        self._pointer.parent.mkdir(parents=True, exist_ok=True)
        with self._log.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _stack(changes: Sequence[Change]) -> list[Saved]:
    """Replay the log: what is served, on top of what was served before and can be gone back to."""
    stack: list[Saved] = []
    for change in changes:
        saved = Saved(change.model, change.sha256)
        if change.event == "rolled_back":
            while stack and stack[-1] != saved:
                stack.pop()
        if not stack or stack[-1] != saved:
            stack.append(saved)
    return stack


def document(change: Change) -> dict[str, Any]:
    """Give the change as a document of the kind `models`."""
    return {
        "time": change.time,
        "event": change.event,
        "model": change.model,
        "previous": change.previous,
        "reason": change.reason,
        "v": 1,
    }
