"""How long a failed delivery rests before the next try. Pure."""

from __future__ import annotations

from typing import Final

FIRST_MS: Final = 1_000
LONGEST_MS: Final = 120_000
_MAX_DOUBLINGS: Final = 7


def rest_ms(attempts: int, jitter: float) -> int:
    """Give the rest in milliseconds, doubling up to two minutes.

    Args:
        attempts: how often it was tried.
        jitter: in [0, 1); takes up to half of it away, so that many do not come back as one.
    """
    longest = min(LONGEST_MS, FIRST_MS << min(max(0, attempts - 1), _MAX_DOUBLINGS))
    return round(longest * (1 - jitter / 2))
