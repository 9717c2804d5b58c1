"""What a symbol's trade ids say: which trades are new, which are handed out again, which lack.

ccxt hands the same trade out again after a reconnect (Coinbase sends a snapshot), and drops the
oldest ones silently when its cache is full. Ids tell both. Pure; bounded by `MEMORY`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

#: Ids remembered of a symbol; an older one that comes again is taken for known.
MEMORY: Final = 4_096


@dataclass(slots=True)
class Continuity:
    """The ids of one symbol.

    Attributes:
        highest: the highest id so far; None before the first.
    """

    highest: int | None = None
    _floor: int = -1
    _seen: set[int] = field(default_factory=set)

    def admit(self, number: int, span: int = 1) -> int | None:
        """Take the next record in.

        Args:
            number: its id, the last of the `span` ids that it stands for.
            span: see `number`.

        Returns:
            None if it is known already, else how many ids between it and the highest one so far
            were never received (0 for the first record, and for one that came late).
        """
        if number <= self._floor or number in self._seen:
            return None
        self._seen.add(number)
        missing = 0
        if self.highest is not None:
            missing = max(0, number - span - self.highest)
        self.highest = number if self.highest is None else max(number, self.highest)
        if len(self._seen) > MEMORY:
            self._forget()
        return missing

    def _forget(self) -> None:
        """Drop the lower half of the ids at once, so that the work is spread over many calls."""
        ids = sorted(self._seen)
        middle = len(ids) // 2
        self._floor = ids[middle - 1]
        self._seen = set(ids[middle:])
