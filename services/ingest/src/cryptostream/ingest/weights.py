"""What each symbol weighs, from what all instances tell of their rates. Pure.

A rate moves all the time and an assignment must not, so weights are powers of two and change
only once the rate has clearly left theirs.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cryptostream.contracts.messages import Coverage

#: Trades per second. Even a symbol without trades costs its subscription.
MIN_WEIGHT: Final = 2.0**-6
MAX_WEIGHT: Final = 2.0**14
#: Rounding goes to the nearest power, that is half an octave; a weight holds this much longer.
HOLD_OCTAVES: Final = 0.75


def weights(
    reports: Mapping[str, Coverage], previous: Mapping[str, float] | None = None
) -> dict[str, float]:
    """Give symbol -> weight, in trades per second, a power of two.

    The highest rate that anybody tells of a symbol counts: whoever has just begun to read it
    has not seen much yet. A symbol that nobody reports keeps its previous weight, so that the
    death of its reader does not move others.

    Args:
        reports: instance -> its newest report.
        previous: the weights in force; without any the rates are just rounded.
    """
    rates: dict[str, float] = {}
    for report in reports.values():
        for symbol, rate in report.rates.items():
            rates[symbol] = max(rates.get(symbol, 0.0), rate)
    known = dict(previous or {})
    return known | {symbol: _weigh(rate, known.get(symbol)) for symbol, rate in rates.items()}


def _weigh(rate: float, previous: float | None) -> float:
    bounded = min(max(rate, MIN_WEIGHT), MAX_WEIGHT)
    if previous is not None and abs(math.log2(bounded / previous)) <= HOLD_OCTAVES:
        return previous
    return float(2.0 ** round(math.log2(bounded)))
