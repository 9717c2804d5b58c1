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
#: An attempt that held this long ends the series; the next failure starts a new one.
STABLE_SECONDS: Final = 60.0


@dataclass(slots=True)
class Backoff:
    """The series of waits of one connection; `rng` throws the dice."""

    rng: Random
    base: float = BASE_SECONDS
    cap: float = CAP_SECONDS
    attempts: int = 0

    def next_delay(self, held_seconds: float = 0.0) -> float:
        """Give the seconds to wait after an attempt that held for `held_seconds`."""
        if held_seconds >= STABLE_SECONDS:
            self.attempts = 0
        # The exponent is bounded too: 2.0 ** 1100 would overflow.
        ceiling = min(self.cap, self.base * 2.0 ** min(self.attempts, 32))
        self.attempts += 1
        return max(FLOOR_SECONDS, self.rng.uniform(0.0, ceiling))
