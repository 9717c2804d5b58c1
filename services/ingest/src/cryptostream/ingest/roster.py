"""The instances that share the symbols: numbered by hand, or found by their leases."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.ingest.sharding import Shard


class Roster(Protocol):
    """Who is there, and what the symbols weigh; both the same for all, if a little later here.

    Attributes:
        me: this instance's name.
        changed: set at each change of members or weights, and first when they are known at
            all; the reader clears it.
    """

    me: str
    changed: asyncio.Event

    async def run(self) -> None:
        """Keep the members fresh for ever; raises only what is fatal."""

    def members(self) -> tuple[str, ...]:
        """Give the sorted names of the live instances, always with `me`."""

    def weights(self) -> Mapping[str, float]:
        """Give symbol -> weight as all instances have agreed on; empty: all weigh the same."""

    def propose(self, weights: Mapping[str, float]) -> None:
        """Offer newer weights; they come into force if we are the one who may say."""

    async def close(self) -> None:
        """Release what is ours, so that others take over at once."""


class StaticRoster:
    """A fixed number of instances, numbered by hand; they never change and weigh nothing."""

    def __init__(self, shard: Shard) -> None:
        self.me = shard.name
        self.changed = asyncio.Event()
        self.changed.set()
        self._members = shard.members

    async def run(self) -> None:
        """Wait for ever: nothing changes."""
        await asyncio.Event().wait()

    def members(self) -> tuple[str, ...]:
        """Give all shards' names, whether they run or not."""
        return self._members

    def weights(self) -> Mapping[str, float]:
        """Give no weights: nobody is there to agree with."""
        return {}

    def propose(self, weights: Mapping[str, float]) -> None:
        """Ignore the weights."""

    async def close(self) -> None:
        """Release nothing."""
