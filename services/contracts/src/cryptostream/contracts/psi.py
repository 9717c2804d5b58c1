"""The population stability index: how far one histogram is from another. Pure."""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

#: An empty bin counts as this share, else one would make the index infinite.
FLOOR: Final = 1e-4


def psi(expected: Sequence[float], actual: Sequence[float]) -> float:
    """Sum (actual - expected) * ln(actual / expected) over the bins' shares; 0 if they agree."""
    total = 0.0
    for one, other in zip(expected, actual, strict=True):
        before, after = max(one, FLOOR), max(other, FLOOR)
        total += (after - before) * log(after / before)
    return total
