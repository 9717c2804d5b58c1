"""A dump's rows against stored trades, as multisets. Pure.

A dump has no trade ids (its `id` counts from 1 in each file), so rows and documents meet in what
both know: time, price, size and side. Several equal trades meet as often as both sides have them.
A trade that was filled in from a dump carries its row in its id, `dump-<time>-<number>`: it meets
exactly that row, so that a fill that is only half indexed is completed by the next one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptostream.audit.model import Key, Row, Stored

FILLED: Final = "dump-"


#: So many of the documents that no row accounts for are kept as examples.
MAX_EXAMPLES: Final = 20


@dataclass(frozen=True, slots=True)
class Joined:
    """How a symbol's day compares: what met, and what is left over on either side."""

    matched: int
    missing: tuple[Row, ...]
    extra: int
    examples: tuple[Stored, ...]


def filled_id(row: Row) -> str:
    """Name the trade of a row: the same in every run over the same file."""
    return f"{FILLED}{row.key.time}-{row.number}"


def join(rows: Iterable[Row], stored: Iterable[Stored]) -> Joined:
    """Match rows and documents; holds the rows in memory, the documents pass by."""
    waiting: defaultdict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        waiting[row.key].append(row)
    plain: Counter[Key] = Counter()
    matched = unknown = 0
    examples: list[Stored] = []
    for one in stored:
        if one.key not in waiting:
            unknown += 1
            examples += [one] if len(examples) < MAX_EXAMPLES else []
        elif _meet(waiting[one.key], one.trade_id):
            matched += 1
        else:
            plain[one.key] += 1
    matched += sum(min(plain[key], len(left)) for key, left in waiting.items())
    surplus = sum(max(0, plain[key] - len(left)) for key, left in waiting.items())
    # The last ones of equal rows are the missing ones, in every run.
    missing = [row for key, left in waiting.items() for row in left[plain[key] :]]
    return Joined(matched, tuple(missing), unknown + surplus, tuple(examples))


def _meet(rows: list[Row], trade_id: str) -> bool:
    """Take the row that the trade was filled in from, if it was, out of those that wait."""
    if trade_id.startswith(FILLED):
        for at, row in enumerate(rows):
            if filled_id(row) == trade_id:
                del rows[at]
                return True
    return False
