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
#: A connection that held this long was a good one: what failed before it is forgiven, so that cuts
#: some seconds apart never add up to a long outage. Even one cut each such while stays below the
#: budget of connections, 100 in 300 s.
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
        if held_seconds >= HEAL_SECONDS:
            self.attempts = 0
        ceiling = self.base * 2.0**self.attempts
        # Failures beyond the cap are not counted: no power of two may overflow in a long outage.
        self.attempts += ceiling < self.cap
        return max(FLOOR_SECONDS, self.rng.uniform(0.0, min(self.cap, ceiling)))
