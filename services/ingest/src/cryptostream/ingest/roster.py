"""The instances that share the symbols: numbered by hand, or found by their leases."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, Protocol

from cryptostream.contracts.errors import Failure, SettingsError
from cryptostream.ingest.tenure import LEASE_SECONDS, LeaseStore, Tenure

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

    from cryptostream.ingest.sharding import Shard

TICK_SECONDS: Final = 0.5
#: So long the API server may refuse or not answer at the start; roles take a moment to be there.
START_SECONDS: Final = LEASE_SECONDS


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


def _nothing(_: str) -> None:
    """Count nothing."""


class LeaseRoster:
    """Instances that hold a lease each; a plain `SettingsError` if we may not hold one.

    Trouble with the leases stops nothing: the members stay as they were last known. If there is
    no answer from the start, we are alone as far as we know, and `changed` says so after
    `START_SECONDS`.

    Args:
        store: of the leases.
        me: our name.
        rng: spreads the calls.
        on_failure: told the verb of each failed call, from another thread.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        store: LeaseStore,
        me: str,
        rng: Random,
        *,
        on_failure: Callable[[str], None] = _nothing,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.me = me
        self.changed = asyncio.Event()
        self._clock = clock
        self._tenure = Tenure(store, me, rng, on_failure)

    async def run(self) -> None:
        """Hold our lease and look at the others for ever.

        Raises `SettingsError` if the API server refuses us for the first `START_SECONDS`.
        """
        deadline = self._clock() + START_SECONDS
        starting = True
        while True:
            # In a thread, as the store blocks; a tick without a call is over at once.
            if await asyncio.to_thread(self._tenure.tick, self._clock()):
                self.changed.set()
            starting = starting and not self._joined()
            if starting and self._clock() >= deadline:
                self._start_without()
                starting = False
            await asyncio.sleep(TICK_SECONDS)

    def members(self) -> tuple[str, ...]:
        """Give the live instances, as last known."""
        return self._tenure.members

    def weights(self) -> Mapping[str, float]:
        """Give the weights that the first member publishes, as last known."""
        return self._tenure.weights

    def propose(self, weights: Mapping[str, float]) -> None:
        """Publish the weights with our next renewal, if we are the first member."""
        self._tenure.propose(weights)

    async def close(self) -> None:
        """Delete our lease; cancel `run` first."""
        await asyncio.to_thread(self._tenure.release)

    def _joined(self) -> bool:
        return self._tenure.known and "renew" not in self._tenure.failures

    def _start_without(self) -> None:
        for error in self._tenure.failures.values():
            if error.failure is Failure.FATAL:
                raise SettingsError(
                    f"{error}: the pod's role needs get, list, create, update and delete on "
                    "leases.coordination.k8s.io in its namespace"
                ) from error
        self.changed.set()
