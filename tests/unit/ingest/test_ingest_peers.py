"""Reports of coverage: who received what, and what says nothing any more."""

from __future__ import annotations

import pytest

from cryptostream.contracts.messages import Coverage
from cryptostream.ingest.peers import MAX_INSTANCES, STALE_MS, Reports

NOW = 1_800_000_000_000


class Clock:
    """A time of day that is set by hand."""

    ms = NOW

    def __call__(self) -> int:
        """Give it."""
        return self.ms


def report(instance: str = "b", *, at: int = NOW, since: int = NOW - 60_000) -> Coverage:
    """Make a report on BTCUSDT."""
    return Coverage("bybit", "spot", instance, at, {"BTCUSDT": since}, {"BTCUSDT": 5.0})


def reports(*taken: Coverage, clock: Clock | None = None) -> Reports:
    """Make what instance `a` knows."""
    known = Reports("a", "bybit", "spot", clock or Clock())
    for each in taken:
        known.take(each)
    return known


@pytest.mark.parametrize(
    ("since", "told_at", "expected"),
    [
        (NOW - 20_000, NOW, True),
        (NOW - 10_000, NOW - 5_000, True),
        (NOW - 9_999, NOW, False),
        (NOW - 20_000, NOW - 5_001, False),
    ],
)
def test_only_what_spans_the_whole_interval_covers_it(
    since: int, told_at: int, *, expected: bool
) -> None:
    """The other instance read before the gap began and told so after it ended."""
    known = reports(report(at=told_at, since=since))
    assert known.covers("BTCUSDT", NOW - 10_000, NOW - 5_000) is expected


def test_we_do_not_cover_ourselves() -> None:
    """Our own report says nothing about our own gap, yet counts for the rates."""
    known = reports(report("a"))
    assert not known.covers("BTCUSDT", NOW - 10_000, NOW - 5_000)
    assert set(known.fresh()) == {"a"}


def test_a_symbol_that_nobody_tells_of_is_not_covered() -> None:
    """Silence is no coverage."""
    known = reports(report())
    assert not known.covers("ETHUSDT", NOW - 10_000, NOW - 5_000)
    assert not known.receives("ETHUSDT", "b")
    assert not known.receives("BTCUSDT", "c")
    assert known.receives("BTCUSDT", "b")


def test_stale_reports_say_nothing() -> None:
    """30 s after its last report an instance is none to rely on."""
    clock = Clock()
    known = reports(report(), clock=clock)
    clock.ms = NOW + STALE_MS
    assert known.receives("BTCUSDT", "b")
    clock.ms += 1
    assert not known.receives("BTCUSDT", "b")
    assert not known.covers("BTCUSDT", NOW - 10_000, NOW - 5_000)
    assert known.fresh() == {}


def test_a_report_from_the_future_says_nothing() -> None:
    """A clock far ahead would cover gaps that nobody has seen yet."""
    known = reports(report(at=NOW + STALE_MS + 1))
    assert known.fresh() == {}
    assert known.told_until("BTCUSDT") is None


def test_what_was_told_long_ago_is_remembered() -> None:
    """A lone instance that starts again knows since when nobody received a symbol."""
    old = NOW - 3_000_000
    known = reports(report("a", at=old), report("b", at=old - 5_000))
    assert known.fresh() == {}
    assert known.told_until("BTCUSDT") == old
    assert known.told_until("ETHUSDT") is None


def test_the_number_of_symbols_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Strangers can't fill our memory with names, and known names are kept up to date."""
    monkeypatch.setattr("cryptostream.ingest.peers.MAX_SYMBOLS", 1)
    known = reports(report(at=NOW - 9), report(), Coverage("bybit", "spot", "c", NOW, {"X": 0}, {}))
    assert known.told_until("BTCUSDT") == NOW
    assert known.told_until("X") is None


def test_the_newest_report_counts() -> None:
    """Reports out of order don't bring an old state back."""
    known = reports(report(at=NOW, since=NOW - 1_000), report(at=NOW - 5_000))
    assert known.fresh()["b"].since == {"BTCUSDT": NOW - 1_000}


def test_other_markets_do_not_count() -> None:
    """Another exchange's BTCUSDT is another symbol."""
    other = Coverage("binance", "spot", "b", NOW, {"BTCUSDT": 0}, {})
    assert reports(other).fresh() == {}


def test_the_number_of_instances_is_bounded() -> None:
    """Strangers can't fill our memory; the stale make room for the live."""
    clock = Clock()
    known = reports(*(report(f"x{n}") for n in range(MAX_INSTANCES + 5)), clock=clock)
    assert len(known.fresh()) == MAX_INSTANCES
    clock.ms = NOW + STALE_MS + 1
    known.take(report("b", at=clock.ms))
    assert set(known.fresh()) == {"b"}
