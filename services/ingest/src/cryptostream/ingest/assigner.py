"""Which symbols this instance reads, as members, weights and listings change."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Protocol

from cryptostream.ingest.assignment import assign, owned_by
from cryptostream.ingest.handover import Handover
from cryptostream.ingest.weights import weights

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cryptostream.contracts.messages import Coverage
    from cryptostream.ingest.roster import Roster

LOOK_SECONDS: Final = 1.0
PROPOSE_SECONDS: Final = 30.0


class Reports(Protocol):
    """What the instances tell of what they receive."""

    def reports(self) -> Mapping[str, Coverage]:
        """Give instance -> newest report."""

    def receives(self, symbol: str, instance: str) -> bool:
        """Say whether the instance told lately that it receives the symbol."""


class Assigner:
    """Tells the feeds what to want.

    Args:
        roster: who is there.
        peers: what they receive.
        want: takes the symbols to read from now on.
        replicas: owners per symbol.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        roster: Roster,
        peers: Reports,
        want: Callable[[Collection[str]], None],
        *,
        replicas: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.listed: tuple[str, ...] = ()
        self.assigned = False
        self._roster = roster
        self._peers = peers
        self._want = want
        self._replicas = replicas
        self._clock = clock
        self._handover = Handover()
        self._owners: dict[str, tuple[str, ...]] = {}
        self._proposed_at = clock()

    def list_symbols(self, symbols: Collection[str]) -> None:
        """Take the symbols that all instances share."""
        self.listed = tuple(symbols)
        if self.assigned:
            self._assign()

    async def run(self) -> None:
        """Follow the roster for ever, from its first word on."""
        await self._roster.changed.wait()
        while True:
            if self._roster.changed.is_set():
                self._roster.changed.clear()
                self._assign()
            self._propose()
            self._look()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._roster.changed.wait()

    def handed_over(self) -> bool:
        """Tell whether the others receive all that we own, as often as there can be owners."""
        others = [name for name in self._peers.reports() if name != self._roster.me]
        wanted = min(self._replicas, len(others))
        return all(
            sum(self._peers.receives(symbol, name) for name in others) >= wanted
            for symbol in owned_by(self._roster.me, self._owners)
        )

    def _assign(self) -> None:
        self._owners = assign(
            self.listed,
            self._roster.members(),
            self._roster.weights(),
            replicas=self._replicas,
        )
        self.assigned = True
        self._look()

    def _look(self) -> None:
        mine = owned_by(self._roster.me, self._owners)
        self._want(self._handover.update(mine, self.listed, self._clock(), self._taken))

    def _taken(self, symbol: str) -> bool:
        owners = self._owners.get(symbol, ())
        return all(self._peers.receives(symbol, owner) for owner in owners)

    def _propose(self) -> None:
        now = self._clock()
        if now - self._proposed_at >= PROPOSE_SECONDS:
            self._proposed_at = now
            known = weights(self._peers.reports(), self._roster.weights())
            listed = frozenset(self.listed)
            # Or the weights of what is delisted, and of what strangers tell, would stay for ever.
            self._roster.propose({name: known[name] for name in known if name in listed})
