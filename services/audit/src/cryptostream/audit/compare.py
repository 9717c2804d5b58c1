"""One minute of ours against the exchange's. Pure.

The exchange draws its candles without breaks: a minute without trades repeats the last close with
volume 0, and a minute with trades opens at the close before it. The example answer of
https://bybit-exchange.github.io/docs/v5/market/kline shows it: `17071.5` closes one row and opens
the next. Ours open at their first trade. So an open, and with it a high or a low, that is the
close before is no divergence.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from cryptostream.audit.model import Bar

#: Prices are equal: both sides parse the same decimals, and doubles keep 15 of their digits.
PRICE_TOLERANCE: Final = 1e-9
#: Sums of many doubles, on our side in the order of arrival.
SUM_TOLERANCE: Final = 1e-6
TOLERANCE: Final = {
    **dict.fromkeys(("open", "high", "low", "close"), PRICE_TOLERANCE),
    **dict.fromkeys(("volume", "turnover"), SUM_TOLERANCE),
}


class Result(StrEnum):
    """What became of one minute of one symbol."""

    MATCH = "match"
    #: No trades on either side; counts as coverage and not into the share.
    QUIET = "quiet"
    DIVERGED = "diverged"
    #: The exchange had trades, we have no candle.
    MISS = "miss"
    #: We have a candle, the exchange had no trades.
    EXTRA = "extra"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A result, and the field worst by its tolerance: off by this share of the greater value."""

    result: Result
    field: str = ""
    divergence: float = 0.0


@dataclass(slots=True)
class Tally:
    """What a group of symbols gave for one minute."""

    results: Counter[Result] = field(default_factory=Counter)
    worst: dict[str, Verdict] = field(default_factory=dict)

    def add(self, symbol: str, verdict: Verdict) -> None:
        """Count a symbol's verdict."""
        self.results[verdict.result] += 1
        if verdict.divergence > 0:
            self.worst[symbol] = verdict

    @property
    def share(self) -> float | None:
        """Matches among the minutes with trades on either side; None if there was none."""
        active = self.results.total() - self.results[Result.QUIET]
        return self.results[Result.MATCH] / active if active else None


def compare(ours: Bar | None, theirs: Bar | None, close_before: float | None) -> Verdict:
    """Judge one minute; `close_before` is the exchange's close of the minute before, if known."""
    traded = theirs is not None and theirs.volume > 0
    if ours is None:
        return Verdict(Result.MISS, "volume", 1.0) if traded else Verdict(Result.QUIET)
    if theirs is None or not traded:
        return Verdict(Result.EXTRA, "volume", 1.0)
    off = _divergences(ours, theirs, close_before)
    name = max(off, key=lambda field: off[field] / TOLERANCE[field])
    result = Result.MATCH if off[name] <= TOLERANCE[name] else Result.DIVERGED
    return Verdict(result, name, off[name]) if off[name] else Verdict(result)


def _divergences(ours: Bar, theirs: Bar, close_before: float | None) -> dict[str, float]:
    plain = _prices_off((ours.open, ours.high, ours.low), theirs)
    if close_before is not None:
        carried = (close_before, max(ours.high, close_before), min(ours.low, close_before))
        plain = min(plain, _prices_off(carried, theirs), key=lambda off: max(off.values()))
    return plain | {
        "close": _off(ours.close, theirs.close),
        "volume": _off(ours.volume, theirs.volume),
        "turnover": _off(ours.turnover, theirs.turnover),
    }


def _prices_off(prices: tuple[float, float, float], theirs: Bar) -> dict[str, float]:
    wanted = {"open": theirs.open, "high": theirs.high, "low": theirs.low}
    return {
        name: _off(price, value)
        for price, (name, value) in zip(prices, wanted.items(), strict=True)
    }


def _off(one: float, other: float) -> float:
    return 0.0 if one == other else abs(one - other) / max(abs(one), abs(other))
