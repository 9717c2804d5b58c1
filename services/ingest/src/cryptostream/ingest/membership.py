"""Who is alive, judged from leases as this process saw them change. Pure.

Only the local, monotonic clock counts: a lease lives until its duration has passed since the
last look at which its renewal was still the older one, so the clocks of other machines don't
matter, and a member that stops renewing is known to be gone at most its duration later. Time
during which we could not look makes nobody older: after an outage of the API server the members
are still the old ones until they had the chance to renew. A lease seen for the first time is
taken to be alive for one duration, as its past is unknown.

A change of the live members is adopted once it has been the same for `DEBOUNCE_SECONDS`, or after
`MAX_DEBOUNCE_SECONDS` if it goes on changing; the first sight is adopted at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

DEBOUNCE_SECONDS: Final = 2.0
MAX_DEBOUNCE_SECONDS: Final = 6.0
#: Longer pauses between two looks count as no more than this; looks come every 2 s.
MAX_STEP_SECONDS: Final = 4.0


@dataclass(frozen=True, slots=True)
class LeaseRecord:
    """A lease as it was read.

    Attributes:
        name: of the lease.
        holder: the member's name; empty for a lease that was given up.
        renewed: whatever changes with each renewal; compared for equality only.
        duration: how long one renewal holds, seconds.
    """

    name: str
    holder: str
    renewed: str
    duration: float


@dataclass(slots=True)
class _Seen:
    record: LeaseRecord
    age: float  # seconds that the renewal may be old, at the last look


class Membership:
    """Keeps the live members; `observe` at each look, `advance` between looks.

    Args:
        me: our own name, which is always a member.
    """

    def __init__(self, me: str) -> None:
        self._me = me
        self._seen: dict[str, _Seen] = {}
        self._looked: float | None = None
        self._adopted: tuple[str, ...] = (me,)
        self._candidate: tuple[str, ...] = (me,)
        self._unsettled_since = self._candidate_since = 0.0

    @property
    def members(self) -> tuple[str, ...]:
        """The adopted members, sorted."""
        return self._adopted

    def observe(self, records: Iterable[LeaseRecord], now: float) -> bool:
        """Take in all leases as just read; say whether the adopted members changed.

        Args:
            records: every lease of the group.
            now: monotonic seconds, read before the leases were asked for.
        """
        first = self._looked is None
        step = self._step(now)
        self._seen = {record.name: self._see(record, step) for record in records}
        self._looked = now
        return self._adopt(self._alive(now)) if first else self.advance(now)

    def advance(self, now: float) -> bool:
        """Let time pass without a look; say whether the adopted members changed."""
        alive = self._alive(now)
        if alive == self._adopted:
            self._candidate = alive
            return False
        if self._candidate == self._adopted:
            self._unsettled_since = now
        if alive != self._candidate:
            self._candidate, self._candidate_since = alive, now
        settled = now - self._candidate_since >= DEBOUNCE_SECONDS
        overdue = now - self._unsettled_since >= MAX_DEBOUNCE_SECONDS
        return self._adopt(alive) if settled or overdue else False

    def expired_for(self, seconds: float) -> list[str]:
        """Name the leases that nobody has renewed for so long after they had expired."""
        return sorted(
            name
            for name, seen in self._seen.items()
            if seen.age > seen.record.duration + seconds and seen.record.holder != self._me
        )

    def _adopt(self, alive: tuple[str, ...]) -> bool:
        changed = alive != self._adopted
        self._adopted = self._candidate = alive
        return changed

    def _alive(self, now: float) -> tuple[str, ...]:
        step = self._step(now)
        holders = {
            seen.record.holder
            for seen in self._seen.values()
            if seen.record.holder and seen.age + step <= seen.record.duration
        }
        return tuple(sorted(holders | {self._me}))

    def _see(self, record: LeaseRecord, step: float) -> _Seen:
        before = self._seen.get(record.name)
        if before is None:
            return _Seen(record, 0.0)
        # A renewal happened at some time since the last look: assume the earliest.
        age = step if before.record != record else before.age + step
        return _Seen(record, age)

    def _step(self, now: float) -> float:
        return 0.0 if self._looked is None else min(now - self._looked, MAX_STEP_SECONDS)
