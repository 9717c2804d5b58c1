"""Does 60 % mean 60 %? What the model said of orders, against what came. Pure.

The question is the one that the model learns (docs/model.md): of the aggressive orders of one
side, is the price of the first one at or after `t + horizon` higher? Equal prices and answers that
come too late are dropped.
"""

from __future__ import annotations

from math import sqrt
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

HORIZON_MS: Final = 10_000
MAX_WAIT_MS: Final = 30_000
BINS: Final = 10
#: The normal quantile of a two-sided 95 % interval.
_Z: Final = 1.959964


class Said(NamedTuple):
    """An order and the model's probability that the price goes up; None where it said nothing."""

    time_ms: int
    price: float
    side: str
    p_up: float | None


class Bin(NamedTuple):
    """One bar of the plot: mean of what was said, share of what came, its 95 % interval."""

    said: float
    came: float
    low: float
    high: float
    n: int


def orders(fills: Sequence[Said]) -> list[Said]:
    """Keep the first fill of each order: same millisecond and side; oldest first in and out."""
    kept: list[Said] = []
    previous = None
    for fill in fills:
        order = (fill.time_ms, fill.side)
        if order != previous:
            kept.append(fill)
        previous = order
    return kept


def outcomes(
    oldest_first: Sequence[Said], horizon_ms: int = HORIZON_MS
) -> Iterator[tuple[float, bool]]:
    """Give (p_up, whether the price was higher) of every order that was scored and answered."""
    for side in ("buy", "sell"):
        mine = [one for one in orders(oldest_first) if one.side == side]
        answer = 0
        for one in mine:
            due = one.time_ms + horizon_ms
            while answer < len(mine) and mine[answer].time_ms < due:
                answer += 1
            if answer == len(mine):
                break
            late = mine[answer].time_ms - due > MAX_WAIT_MS
            if one.p_up is not None and not late and mine[answer].price != one.price:
                yield one.p_up, mine[answer].price > one.price


def wilson(ups: int, n: int) -> tuple[float, float]:
    """Give Wilson's 95 % interval of a share of n independent draws; n is positive.

    Neighbouring orders share most of their future, so the truth is wider.
    """
    share, z2 = ups / n, _Z * _Z
    centre = (share + z2 / (2 * n)) / (1 + z2 / n)
    reach = _Z * sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return centre - reach, centre + reach


def bins(scored: Sequence[tuple[float, bool]]) -> list[Bin]:
    """Cut the outcomes into `BINS` of equal width by what was said; empty bins are left out."""
    found = []
    for number in range(BINS):
        mine = [one for one in scored if min(int(one[0] * BINS), BINS - 1) == number]
        if mine:
            ups = sum(up for _, up in mine)
            low, high = wilson(ups, len(mine))
            mean = sum(p_up for p_up, _ in mine) / len(mine)
            found.append(Bin(mean, ups / len(mine), low, high, len(mine)))
    return found
