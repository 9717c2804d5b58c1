"""Leases in memory, with an API server that can be made to fail for some or for all."""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptostream.contracts.errors import Failure
from cryptostream.ingest.membership import LeaseRecord
from cryptostream.ingest.tenure import LeaseError, StoredLease


@dataclass
class Api:
    """The one store behind all instances' views of it.

    Attributes:
        cut_off: holders whose calls fail.
        failure: how they fail.
        calls: each call's verb and caller, in order.
    """

    leases: dict[str, StoredLease] = field(default_factory=dict)
    cut_off: set[str] = field(default_factory=set)
    failure: Failure = Failure.TRANSIENT
    calls: list[tuple[str, str]] = field(default_factory=list)
    version: int = 0

    def put(self, holder: str, seconds: float, weights: str) -> None:
        """Store a lease as renewed just now."""
        self.version += 1
        record = LeaseRecord(f"lease-{holder}", holder, str(self.version), seconds)
        self.leases[record.name] = StoredLease(record, weights, str(self.version))


@dataclass
class View:
    """One instance's way to the store."""

    api: Api
    caller: str

    def renew(self, holder: str, seconds: float, weights: str) -> None:
        """Create or renew."""
        self._call("renew")
        self.api.put(holder, seconds, weights)

    def look(self) -> list[StoredLease]:
        """Give all."""
        self._call("look")
        return list(self.api.leases.values())

    def collect(self, lease: StoredLease) -> None:
        """Delete what has not changed."""
        self._call("collect")
        if self.api.leases.get(lease.record.name) == lease:
            del self.api.leases[lease.record.name]

    def release(self, holder: str) -> None:
        """Delete ours."""
        self._call("release")
        self.api.leases.pop(f"lease-{holder}", None)

    def _call(self, verb: str) -> None:
        self.api.calls.append((verb, self.caller))
        if self.caller in self.api.cut_off:
            raise LeaseError(self.api.failure, f"no {verb} for {self.caller}")
