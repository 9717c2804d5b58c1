"""How long to wait before the next attempt: capped exponential with full jitter. Pure.

Full jitter keeps many clients that lost the same server from coming back together
(https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from random import Random

BASE_SECONDS: Final = 0.5
CAP_SECONDS: Final = 30.0
#: Even the luckiest draw waits this long, so that no loop of refusals spins.
FLOOR_SECONDS: Final = 0.1
#: For each such while that a connection held, one failed attempt before it is forgiven, so that
#: cuts some seconds apart do not add up to a long outage. At this pace the budget of connections,
#: 100 in 300 s, is never used up.
HEAL_SECONDS: Final = 3.0


@dataclass(slots=True)
class Backoff:
    """The series of waits of one connection; `rng` throws the dice."""

    rng: Random
    base: float = BASE_SECONDS
    cap: float = CAP_SECONDS
    attempts: int = 0

    def next_delay(self, held_seconds: float = 0.0) -> float:
        """Give the seconds to wait after an attempt that held for `held_seconds`."""
        self.attempts = max(0, self.attempts - int(held_seconds / HEAL_SECONDS))
        ceiling = self.base * 2.0**self.attempts
        # Failures beyond the cap are not counted, so that a long outage is forgiven as soon.
        self.attempts += ceiling < self.cap
        return max(FLOOR_SECONDS, self.rng.uniform(0.0, min(self.cap, ceiling)))
