"""Which shard reads which symbol: rendezvous hashing. Pure.

Every process computes the same owner from the same names, and a change of the number of shards
moves only the symbols that have to move (https://en.wikipedia.org/wiki/Rendezvous_hashing).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Shard:
    """Shard `index` of `count`, counted from 0."""

    index: int
    count: int

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ValueError(
                f"shard {self.index}/{self.count} must be 0/{self.count} or above "
                f"and below {self.count}/{self.count}"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `i/n`, such as `0/3`; raises `ValueError`."""
        match = re.fullmatch(r"([0-9]{1,4})/([0-9]{1,4})", text)
        if match is None:
            raise ValueError(f"a shard is written i/n, such as 0/1, not {text[:20]!r}")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.index}/{self.count}"


def owner(symbol: str, count: int) -> int:
    """Give the index of the one shard out of `count` that owns the symbol."""
    return max(range(count), key=lambda index: _weight(symbol, index))


def owned(symbols: Iterable[str], shard: Shard) -> list[str]:
    """Keep the symbols that the shard owns, in their order."""
    return [symbol for symbol in symbols if owner(symbol, shard.count) == shard.index]


def _weight(symbol: str, index: int) -> bytes:
    return blake2b(f"{symbol}#{index}".encode(), digest_size=8).digest()
