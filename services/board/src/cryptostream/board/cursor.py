"""How far an index was read: every write once, in spite of writes that show up out of order.

Two writers can make `_seq_no` 6 searchable before 5. So a hole keeps the floor down and what
lies above it is asked for again, until the hole fills or `GRACE_POLLS` have passed. A hole that
never fills is ordinary: a document that was updated twice leaves one.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

GRACE_POLLS: Final = 4
#: The floor of an index that was never read.
NOTHING: Final = -1


class Cursor:
    """The reading position in one index."""

    def __init__(self, floor: int = NOTHING) -> None:
        self.floor = floor
        self.top = floor
        self._ahead: set[int] = set()
        self._marks: deque[int] = deque(maxlen=GRACE_POLLS)

    def take(self, seq_no: int) -> bool:
        """Note a write; False if it was noted before."""
        if seq_no <= self.floor or seq_no in self._ahead:
            return False
        self._ahead.add(seq_no)
        self.top = max(self.top, seq_no)
        return True

    def settle(self) -> None:
        """End a poll: raise the floor over what is complete and over holes past their grace."""
        if len(self._marks) == GRACE_POLLS:
            self.floor = max(self.floor, self._marks[0])
        self._marks.append(self.top)
        while self.floor + 1 in self._ahead:
            self.floor += 1
            self._ahead.discard(self.floor)
        self._ahead = {seq_no for seq_no in self._ahead if seq_no > self.floor}


class Cursors:
    """The reading positions in all indices of one kind."""

    def __init__(self) -> None:
        self._cursors: dict[str, Cursor] = {}

    def start(self, tops: Mapping[str, int], backfill: int) -> None:
        """Begin at the newest writes, `backfill` of them again in the newest index."""
        newest = max(tops, default="")
        self._cursors = {
            index: Cursor(max(NOTHING, top - backfill) if index == newest else top)
            for index, top in tops.items()
        }

    def take(self, index: str, seq_no: int) -> bool:
        """Note a write; False if it was noted before."""
        return self._cursors.setdefault(index, Cursor()).take(seq_no)

    def settle(self) -> None:
        """End a poll."""
        for cursor in self._cursors.values():
            cursor.settle()

    def floors(self) -> dict[str, int]:
        """Give what a poll asks from."""
        return {index: cursor.floor for index, cursor in self._cursors.items()}

    def tops(self) -> dict[str, int]:
        """Give what a poll's further pages ask from."""
        return {index: cursor.top for index, cursor in self._cursors.items()}

    def rebase(self, before: Mapping[str, int], tops: Mapping[str, int], backfill: int) -> None:
        """Forget indices that are gone and begin again in those made anew.

        `before` is what was read when `tops` was asked for; an index that had more then was
        deleted and made anew, and its numbers start again.
        """
        for index, read in before.items():
            if index not in tops:
                self._cursors.pop(index, None)
            elif read > tops[index]:
                self._cursors[index] = Cursor(max(NOTHING, tops[index] - backfill))
