"""Does a replay give the very vectors that the stream stored? The comparison. Pure.

The stream keeps a symbol's state from its first trade on. A replay that begins later has forgotten
what was before; each decayed sum forgets by exp(-t / 300 s) at the slowest. After `WARM_UP_MS`
that is below 1e-15 of the sums, so from there on both must agree.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cryptostream.contracts.features import (
    FEATURE_NAMES,
    FEATURES_HASH,
    initial_state,
    step,
)
from cryptostream.models.errors import ParityError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TOLERANCE: Final = 1e-9
#: 36 of the longest time constants: exp(-36) = 2e-16.
WARM_UP_MS: Final = 3 * 3_600_000
_SIGN: Final = {"buy": 1, "sell": -1}


@dataclass(frozen=True, slots=True)
class Parity:
    """What the comparison of one symbol found.

    Attributes:
        compared: trades whose stored vector was compared.
        equal: of those, how many agree to `TOLERANCE` in every feature.
        largest: greatest difference found.
        worst: the trade and the feature that it was found at, empty without one.
        cold: whether the replay began where the stream's state began, so no warm-up was needed.
    """

    symbol: str
    compared: int
    equal: int
    largest: float
    worst_trade: str
    worst_feature: str
    cold: bool

    @property
    def holds(self) -> bool:
        """Tell whether something was compared and all of it agrees."""
        return 0 < self.compared == self.equal


def compare(symbol: str, documents: Iterable[dict[str, Any]], from_ms: int) -> Parity:
    """Replay one symbol's documents, in the stream's order, and compare those from `from_ms` on.

    Raises:
        ParityError: there are too few trades before `from_ms`, or no vectors to compare.
    """
    state, cold = initial_state(), False
    compared = equal = 0
    largest, worst = 0.0, ("", "")
    ready_ms = None
    for document in documents:
        time_ms = document["trade_time"]
        vector = step(state, time_ms, document["price"], document["size"], _SIGN[document["side"]])
        stored = document["features"] if document.get("features_hash") == FEATURES_HASH else None
        if ready_ms is None:
            cold = stored is not None and _distance(vector, stored)[0] <= TOLERANCE
            ready_ms = time_ms if cold else time_ms + WARM_UP_MS
        if stored is None or time_ms < max(from_ms, ready_ms):
            continue
        distance, feature = _distance(vector, stored)
        compared += 1
        equal += distance <= TOLERANCE
        if distance > largest:
            largest, worst = distance, (document["trade_id"], feature)
    if not compared:
        raise ParityError(
            f"{symbol}: no stored vector lies {WARM_UP_MS // 60_000} min after the first trade "
            "that is left; give a later range"
        )
    return Parity(symbol, compared, equal, largest, *worst, cold)


def _distance(vector: Sequence[float], stored: Sequence[float]) -> tuple[float, str]:
    """Give the greatest difference and its feature; NaN anywhere is infinitely far."""
    apart = [abs(a - b) for a, b in zip(vector, stored, strict=True)]
    at = max(range(len(apart)), key=lambda one: (apart[one] != apart[one], apart[one]))
    far = apart[at]
    return (far if far == far else float("inf")), FEATURE_NAMES[at]  # noqa: PLR0124 - NaN
