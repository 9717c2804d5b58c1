"""Which symbols and minutes a round asks for, so that all get their turn. Pure.

A request gives up to 1,000 minutes of one symbol, so a symbol whose turn comes seldom loses
nothing: its turn covers every minute since the last one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from cryptostream.audit.model import MINUTE_MS

if TYPE_CHECKING:
    from collections.abc import Collection

#: Of a longer interruption of the meter the older minutes are left out, and counted.
MAX_MINUTES: Final = 120


class Turn(NamedTuple):
    """A symbol with the minutes to compare, [first, end) by their starts."""

    symbol: str
    first: int
    end: int


class Rotation:
    """Deals the symbols out in groups of at most `per_round`, each in its turn.

    Args:
        per_round: how many symbols a round may ask for.
        start_ms: the first minute that is compared is the first to begin then or later.
    """

    def __init__(self, per_round: int, start_ms: int) -> None:
        self._per_round = per_round
        self._start = -(-start_ms // MINUTE_MS) * MINUTE_MS
        self._checked: dict[str, int] = {}
        self._groups: list[list[str]] = []
        self._next = 0
        self.skipped = 0

    @property
    def is_over(self) -> bool:
        """Whether every group had its turn, and the symbols are to be dealt anew."""
        return self._next >= len(self._groups)

    def deal(self, symbols: Collection[str], closed_ms: int) -> None:
        """Begin a cycle; a symbol that comes new is compared from `closed_ms` on."""
        names = sorted(symbols)
        since = max(self._start, closed_ms if self._checked else 0)
        self._checked = {name: self._checked.get(name, since) for name in names}
        size = self._per_round
        self._groups = [names[at : at + size] for at in range(0, len(names), size)]
        self._next = 0

    def take(self, closed_ms: int) -> tuple[str, list[Turn]]:
        """Give the next group's name, `k/n`, and its turns over minutes that ended by then."""
        group = self._groups[self._next]
        self._next += 1
        end = closed_ms // MINUTE_MS * MINUTE_MS
        turns = [Turn(name, self._first(name, end), end) for name in group]
        name = f"{self._next}/{len(self._groups)}"
        return name, [turn for turn in turns if turn.first < turn.end]

    def done(self, turn: Turn) -> None:
        """Note that the turn's minutes were compared; else they come again in the next cycle."""
        self._checked[turn.symbol] = turn.end

    def _first(self, symbol: str, end: int) -> int:
        first = self._checked[symbol]
        bound = end - MAX_MINUTES * MINUTE_MS
        if first < bound:
            self.skipped += (bound - first) // MINUTE_MS
            self._checked[symbol] = first = bound
        return first
