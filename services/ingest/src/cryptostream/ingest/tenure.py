"""One instance's part in the roster of leases: renew ours, look at all, draw the consequences.

No threads and no clock of its own: `tick` is told the time and calls the store. A store that
fails changes nothing that is known: the members stay, and so does the work.

All instances weigh the symbols alike because the weights stand in one lease: the first member,
by name, publishes them there. Whoever joins as the first takes over what is in force, so a new
publisher changes nothing by itself.
"""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from cryptostream.contracts.errors import CryptostreamError, Failure
from cryptostream.ingest.membership import LeaseRecord, Membership

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from random import Random

LEASE_SECONDS: Final = 15.0
RENEW_SECONDS: Final = 5.0
#: Looks are more frequent than renewals, so that a renewal is known well before the lease ends.
LOOK_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 1.0
#: Instances that start together must not call together for ever.
JITTER: Final = 0.1
COLLECT_SECONDS: Final = 60.0
GARBAGE_SECONDS: Final = 600.0
#: All annotations of an object may have 256 KiB; 430 symbols take about 6 kB.
MAX_WEIGHTS_CHARS: Final = 200_000

log = logging.getLogger(__name__)


class LeaseError(CryptostreamError):
    """The store of leases did not do what was asked; `failure` says whether it ever will."""

    def __init__(self, failure: Failure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure


@dataclass(frozen=True, slots=True)
class StoredLease:
    """A lease as it stands in the store.

    Attributes:
        record: what membership needs of it.
        weights: JSON, symbol -> weight; empty if its holder publishes none.
        version: of exactly this state of exactly this lease, for `LeaseStore.collect`.
    """

    record: LeaseRecord
    weights: str
    version: str


class LeaseStore(Protocol):
    """Where the leases are; each call blocks for a few seconds at most, or raises `LeaseError`."""

    def renew(self, holder: str, seconds: float, weights: str) -> None:
        """Create or renew the holder's lease."""

    def look(self) -> list[StoredLease]:
        """Give all leases of the group."""

    def collect(self, lease: StoredLease) -> None:
        """Delete a lease, unless it has changed since it was read."""

    def release(self, holder: str) -> None:
        """Delete the holder's lease; it may be gone already."""


class Tenure:
    """Holds our lease and knows the others.

    Args:
        store: of the leases.
        me: our name.
        rng: spreads the calls.
        on_failure: told the verb (`renew`, `look`, `collect`, `release`) of each failed call.
    """

    def __init__(
        self, store: LeaseStore, me: str, rng: Random, on_failure: Callable[[str], None]
    ) -> None:
        self._store = store
        self._me = me
        self._rng = rng
        self._on_failure = on_failure
        self._membership = Membership(me)
        self._renew_at = self._look_at = self._collect_at = -math.inf
        self._agreed: dict[str, float] = {}
        self._proposed: dict[str, float] | None = None
        self._published = ""
        self._publisher: str | None = None
        self._closed = False
        self._lock = threading.Lock()
        self.failures: dict[str, LeaseError] = {}
        self.known = False

    @property
    def members(self) -> tuple[str, ...]:
        """The live members, sorted."""
        return self._membership.members

    @property
    def weights(self) -> Mapping[str, float]:
        """The weights in force."""
        return self._agreed

    def propose(self, weights: Mapping[str, float]) -> None:
        """Publish these with our next renewal, if we are the first member by then."""
        self._proposed = dict(weights)

    def tick(self, now: float) -> bool:
        """Do what is due, at monotonic second `now`; say whether members or weights changed."""
        with self._lock:
            if self._closed:
                return False
            if now >= self._renew_at:
                done = self._try("renew", self._renew)
                self._renew_at = now + self._spread(RENEW_SECONDS if done else RETRY_SECONDS)
            if now < self._look_at or self._closed:
                return self._membership.advance(now)
            self._look_at = now + self._spread(LOOK_SECONDS)
            before = self.known, self.members, self._agreed
            if not self._try("look", lambda: self._look(now)):
                self._membership.advance(now)
            return before != (self.known, self.members, self._agreed)

    def release(self) -> None:
        """Give our lease up, for good."""
        # Before the lock: a tick under way ends with the call that it is in.
        self._closed = True
        with self._lock:
            self._try("release", lambda: self._store.release(self._me))

    def _renew(self) -> None:
        self._published = self._to_publish()
        self._store.renew(self._me, LEASE_SECONDS, self._published)

    def _look(self, now: float) -> None:
        leases = self._store.look()
        self._membership.observe((lease.record for lease in leases), now)
        self._agree(leases)
        self.known = True
        if self.members[0] == self._me and now >= self._collect_at:
            self._collect_at = now + COLLECT_SECONDS
            self._collect(leases)

    def _agree(self, leases: list[StoredLease]) -> None:
        """Take over the weights of the first member that publishes any."""
        published = {lease.record.holder: lease.weights for lease in leases if lease.weights}
        self._publisher = next((name for name in self.members if name in published), None)
        if self._publisher is not None:
            self._agreed = _decode(published[self._publisher]) or self._agreed

    def _to_publish(self) -> str:
        """Give what our lease has to say: nothing, unless we are the first to say something."""
        if self.known and self.members[0] == self._me:
            # `known`: before the first look everybody takes himself for the first.
            return _encode(self._agreed if self._proposed is None else self._proposed)
        return self._published if self._publisher == self._me else ""

    def _collect(self, leases: list[StoredLease]) -> None:
        expired = set(self._membership.expired_for(GARBAGE_SECONDS))
        for lease in leases:
            if lease.record.name in expired:
                self._try("collect", lambda lease=lease: self._store.collect(lease))  # type: ignore[misc]

    def _try(self, verb: str, call: Callable[[], None]) -> bool:
        """Call the store; a failure is told when it begins and when it is over."""
        try:
            call()
        except LeaseError as error:
            self._on_failure(verb)
            if verb not in self.failures:
                log.warning("lease_call_failed", extra={"fields": {"verb": verb, "why": error}})
            self.failures[verb] = error
            return False
        if self.failures.pop(verb, None) is not None:
            log.info("lease_call_succeeds_again", extra={"fields": {"verb": verb}})
        return True

    def _spread(self, seconds: float) -> float:
        return seconds * self._rng.uniform(1 - JITTER, 1 + JITTER)


def _encode(weights: Mapping[str, float]) -> str:
    text = msgspec.json.encode(weights, order="sorted").decode() if weights else ""
    if len(text) > MAX_WEIGHTS_CHARS:
        log.warning("weights_too_long", extra={"fields": {"symbols": len(weights)}})
        return ""
    return text


def _decode(text: str) -> dict[str, float]:
    """Read published weights; what can't be assigned by is left out."""
    try:
        weights = msgspec.json.decode(text, type=dict[str, float])
    except (ValueError, RecursionError) as error:
        log.warning("bad_weights", extra={"fields": {"why": error}})
        return {}
    return {name: weight for name, weight in weights.items() if 0 < weight < math.inf}
