"""Make before break: what was given away is read on until the others have it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

#: Whoever has not taken a symbol over by then can't be waited for.
PATIENCE_SECONDS: Final = 30.0


class Handover:
    """The symbols that this instance reads: its own, and those that it is about to hand over."""

    def __init__(self, patience: float = PATIENCE_SECONDS) -> None:
        self._patience = patience
        self._reading: set[str] = set()
        self._leaving: dict[str, float] = {}

    def update(
        self,
        mine: Collection[str],
        listed: Collection[str],
        now: float,
        taken: Callable[[str], bool],
    ) -> set[str]:
        """Give what to read from now on.

        Args:
            mine: what this instance owns.
            listed: what anybody should read; the rest ended.
            now: seconds of a monotonic clock.
            taken: whether all new owners of a symbol receive it.
        """
        owned, known = set(mine), set(listed)
        leaving = {
            symbol: self._leaving.get(symbol, now)
            for symbol in self._reading - owned
            if symbol in known
        }
        self._leaving = {
            symbol: since
            for symbol, since in leaving.items()
            if now - since < self._patience and not taken(symbol)
        }
        self._reading = owned | self._leaving.keys()
        return set(self._reading)
