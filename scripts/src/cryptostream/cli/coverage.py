"""What the instances of ingest tell of themselves, as one picture. Pure.

Times are epoch milliseconds, UTC; the caller gives the present one.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cryptostream.contracts.messages import Coverage, Gap

#: Reports come every few seconds; an instance that is silent for so long counts as gone.
STALE_MS: Final = 30_000
#: After this an instance that has gone is no news any more.
FORGOTTEN_MS: Final = 300_000
#: Beyond so many open gaps the oldest are left out.
MAX_GAPS: Final = 100_000
_UNPROVED: Final = ("open", "partly_repaired")


class Instance(msgspec.Struct, frozen=True):
    """One instance of ingest.

    Attributes:
        market: `exchange/category`.
        symbols: how many it receives now.
        rate: trades per second of all of them, as it saw them lately.
        age_s: seconds since its last report.
        whole_s: for how many seconds it has received every one of them without interruption.
        stale: whether its last report is too old to believe.
        open_gaps: its gaps that nothing proves complete.
        open_gap_s: their length together, in symbol seconds.
    """

    name: str
    market: str
    symbols: int
    rate: float
    age_s: float
    whole_s: float
    stale: bool
    open_gaps: int
    open_gap_s: float


class Topic(msgspec.Struct, frozen=True):
    """A topic of trades: its records, how fast they come, and how many the stream has before it.

    `rate` is None before it was looked at twice.
    """

    name: str
    records: int
    rate: float | None
    lag: int


class Picture(msgspec.Struct, frozen=True):
    """All of it at one time.

    Attributes:
        owners: number of live instances -> how many symbols are received by so many.
        causes: cause -> how many open gaps it made.
    """

    time: int
    instances: tuple[Instance, ...]
    topics: tuple[Topic, ...]
    symbols: int
    owners: dict[int, int]
    rate: float
    open_gaps: int
    open_gap_s: float
    causes: dict[str, int]
    lag: int


class Told:
    """The last word of each instance and of each gap."""

    def __init__(self) -> None:
        self.reports: dict[tuple[str, str, str], Coverage] = {}
        self.gaps: dict[str, Gap] = {}

    def report(self, report: Coverage) -> None:
        """Take a report in; an older one than the last changes nothing."""
        key = (report.exchange, report.category, report.instance)
        known = self.reports.get(key)
        if known is None or known.time <= report.time:
            self.reports[key] = report

    def gap(self, gap: Gap) -> None:
        """Take a gap in; a closed one is forgotten."""
        if gap.state in _UNPROVED:
            self.gaps[gap.gap_id] = gap
            if len(self.gaps) > MAX_GAPS:
                del self.gaps[next(iter(self.gaps))]
        else:
            self.gaps.pop(gap.gap_id, None)

    def forget(self, now_ms: int) -> None:
        """Drop the reports of instances that went long ago."""
        for key, report in list(self.reports.items()):
            if now_ms - report.time > FORGOTTEN_MS:
                del self.reports[key]


def picture(told: Told, topics: Iterable[Topic], now_ms: int) -> Picture:
    """Put together what is known now."""
    instances = tuple(_instance(told, key, now_ms) for key in sorted(told.reports))
    live = [told.reports[key] for key in told.reports if _is_live(told.reports[key], now_ms)]
    owned = Counter(
        (report.exchange, report.category, symbol) for report in live for symbol in report.since
    )
    topics = tuple(topics)
    return Picture(
        time=now_ms,
        instances=instances,
        topics=topics,
        symbols=len(owned),
        owners=dict(sorted(Counter(owned.values()).items())),
        rate=round(sum(_best_rates(live).values()), 1),
        open_gaps=len(told.gaps),
        open_gap_s=_seconds(told.gaps.values()),
        causes=dict(Counter(gap.cause for gap in told.gaps.values()).most_common()),
        lag=sum(topic.lag for topic in topics),
    )


def rates(before: Mapping[str, int], after: Mapping[str, int], seconds: float) -> dict[str, float]:
    """Give the records per second of each topic that was there at both times."""
    if seconds <= 0:
        return {}
    return {
        name: round((end - before[name]) / seconds, 1)
        for name, end in after.items()
        if name in before
    }


def _instance(told: Told, key: tuple[str, str, str], now_ms: int) -> Instance:
    exchange, category, name = key
    report = told.reports[key]
    gaps = [
        gap
        for gap in told.gaps.values()
        if (gap.exchange, gap.category, gap.shard) == (exchange, category, name)
    ]
    return Instance(
        name=name,
        market=f"{exchange}/{category}",
        symbols=len(report.since),
        rate=round(sum(report.rates.values()), 1),
        age_s=_since(report.time, now_ms),
        whole_s=_since(max(report.since.values(), default=report.time), report.time),
        stale=not _is_live(report, now_ms),
        open_gaps=len(gaps),
        open_gap_s=_seconds(gaps),
    )


def _best_rates(live: Iterable[Coverage]) -> dict[tuple[str, str, str], float]:
    """Give each symbol's rate once: of two owners the one that saw more."""
    best: dict[tuple[str, str, str], float] = {}
    for report in live:
        for symbol, rate in report.rates.items():
            key = (report.exchange, report.category, symbol)
            best[key] = max(rate, best.get(key, 0.0))
    return best


def _is_live(report: Coverage, now_ms: int) -> bool:
    return now_ms - report.time <= STALE_MS


def _since(then_ms: int, now_ms: int) -> float:
    return round(max(0, now_ms - then_ms) / 1000, 1)


def _seconds(gaps: Iterable[Gap]) -> float:
    """Add up the parts that nobody repaired."""
    return round(sum(max(0, gap.repaired_from - gap.from_time) for gap in gaps) / 1000, 1)
