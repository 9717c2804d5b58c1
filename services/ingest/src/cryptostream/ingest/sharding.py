"""A fixed share of the symbols, for instances that are numbered by hand. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from cryptostream.ingest.assignment import assign

if TYPE_CHECKING:
    from collections.abc import Sequence


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

    @property
    def name(self) -> str:
        """The instance's name among the members: `static-i/n`."""
        return f"static-{self}"

    @property
    def members(self) -> tuple[str, ...]:
        """The names of all `count` shards, sorted."""
        return tuple(sorted(f"static-{index}/{self.count}" for index in range(self.count)))


def owned(symbols: Sequence[str], shard: Shard, *, replicas: int = 1) -> list[str]:
    """Keep the symbols that the shard owns, in their order; all symbols weigh the same."""
    owners = assign(symbols, shard.members, {}, replicas=replicas)
    return [symbol for symbol in symbols if shard.name in owners[symbol]]
