"""Arithmetic of half-open intervals of time. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Later than any time of the contract: the end of what still lasts.
FOREVER: Final = 2**62
#: [from, to), epoch milliseconds.
Span = tuple[int, int]


def without(span: Span, others: Iterable[Span]) -> list[Span]:
    """Give the parts of `span` that lie in none of the others, in order."""
    pieces: list[Span] = []
    start, end = span
    for low, high in sorted(other for other in others if other[0] < other[1]):
        if low > start:
            pieces.append((start, min(low, end)))
        start = max(start, high)
        if start >= end:
            break
    if start < end:
        pieces.append((start, end))
    return [(low, high) for low, high in pieces if low < high]
