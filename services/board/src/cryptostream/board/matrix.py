"""How instruments move together: correlations of log returns from minute to minute. Pure."""

from __future__ import annotations

from math import log, sqrt
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

#: Fewer shared minutes say nothing.
MIN_RETURNS: Final = 5
MINUTE_MS: Final = 60_000

Closes = dict[int, float]


def returns(closes: Mapping[int, float]) -> Closes:
    """Give the log return of each minute whose minute before has a close as well."""
    return {
        start: log(close / closes[start - MINUTE_MS])
        for start, close in closes.items()
        if start - MINUTE_MS in closes
    }


def correlation(ours: Mapping[int, float], theirs: Mapping[int, float]) -> float | None:
    """Give Pearson's correlation over shared minutes; None if too few or one stood still."""
    shared = sorted(ours.keys() & theirs.keys())
    if len(shared) < MIN_RETURNS:
        return None
    mine, other = _centred(ours, shared), _centred(theirs, shared)
    spread = sqrt(sum(x * x for x in mine)) * sqrt(sum(y * y for y in other))
    if not spread:
        return None
    return max(-1.0, min(1.0, sum(x * y for x, y in zip(mine, other, strict=True)) / spread))


def _centred(moves: Mapping[int, float], at: list[int]) -> list[float]:
    mean = sum(moves[start] for start in at) / len(at)
    return [moves[start] - mean for start in at]


def matrix(closes: Sequence[Mapping[int, float]]) -> list[list[float | None]]:
    """Give the correlation of each with each, in the given order."""
    moves = [returns(one) for one in closes]
    return [[correlation(ours, theirs) for theirs in moves] for ours in moves]
