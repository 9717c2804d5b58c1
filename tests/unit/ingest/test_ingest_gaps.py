"""The ledger of gaps: what opens one, what ends it, and that no interruption is missed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st
from support.ingest_trades import NOW, live

from cryptostream.ingest.gaps import FRESH_MS, NOTICED_MS, GapLedger
from cryptostream.ingest.track import MAX_GAPS

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.contracts.messages import Gap
    from cryptostream.ingest.observer import Observer

X, Y = "XUSDT", "YUSDT"


def a_ledger(told: Callable[[str], int | None] = lambda _: None, *, margin: int = 0) -> GapLedger:
    """Make a ledger of bybit's spot trades."""
    return GapLedger(
        "bybit", "spot", instance="pod-1", shard="0/1", told_until=told, margin_ms=margin
    )


def spans(gaps: list[Gap]) -> list[tuple[int, int, str]]:
    """Give from, to and cause, relative to `NOW`."""
    return [(gap.from_time - NOW, gap.to_time - NOW, gap.cause) for gap in gaps]


def test_it_is_an_observer() -> None:
    """The connections can tell it everything."""
    observer: Observer = a_ledger()
    observer.received([], "a")


def test_a_gap_lasts_until_the_first_trade_that_comes_after_the_grant() -> None:
    """A grant does not prove that the exchange sends: what was settled before is due again."""
    ledger = a_ledger()
    ledger.subscribed([X], "a", NOW)
    ledger.received([live(X, 1, NOW + 1_000)], "a")
    ledger.lost([X], "a", NOW + 1_000, "closed")
    ledger.subscribed([X], "a", NOW + 2_000)
    (early,) = ledger.due(NOW + 2_000)
    ledger.received([live(X, 2, NOW + 6_000)], "a")
    ledger.received([live(X, 3, NOW + 7_000)], "a")
    assert not ledger.settle(early, "repaired")
    (grown,) = ledger.due(NOW + 7_000)
    assert spans([grown]) == [(1_000, 6_000, "closed")]
    assert ledger.renewed(early, NOW + 7_000) == grown
    assert ledger.known(grown)[1] == {"2", "3"}
    assert ledger.since(NOW + 7_000) == {X: NOW + 6_000}


def test_a_reconnect_opens_a_gap_from_the_last_frame_to_the_grant() -> None:
    """The loss was noticed late; what lay between it and the last frame is missing too."""
    ledger = a_ledger(margin=100)
    ledger.subscribed([X, Y], "a", NOW)
    ledger.received([live(X, 1, NOW + 1_000)], "a")
    ledger.lost([X, Y], "a", NOW + 30_000, "silence")
    assert spans(ledger.tell(NOW + 30_000)) == [
        (1_000, 30_000, "silence"),
        (900, 30_000, "silence"),
    ]
    assert ledger.due(NOW + 30_000) == []
    ledger.subscribed([X, Y], "a", NOW + 31_000)
    told = ledger.tell(NOW + 40_000)
    assert spans(told) == [(1_000, 31_000, "silence"), (900, 31_000, "silence")]
    assert ledger.tell(NOW + 41_000) == []
    assert spans(ledger.due(NOW + 41_000)) == [(1_000, 31_000, "silence"), (900, 31_000, "silence")]
    assert told[0].gap_id == f"bybit:spot:{X}:pod-1:{NOW + 1_000}:silence"
    assert (told[0].state, told[0].repaired_from) == ("open", told[0].to_time)


def test_a_second_connection_that_brings_the_symbol_means_no_gap() -> None:
    """One of two may come and go."""
    ledger = a_ledger()
    for name in "ab":
        ledger.subscribed([X], name, NOW)
        ledger.received([live(X, 1, NOW + 500)], name)
    ledger.lost([X], "a", NOW + 1_000, "closed")
    ledger.subscribed([X], "a", NOW + 2_000)
    for name in "ab":
        ledger.received([live(X, 2, NOW + 2_500)], name)
    ledger.lost([X], "b", NOW + 3_000, "closed")
    assert spans(ledger.tell(NOW + 5_000)) == []
    assert ledger.since(NOW + 5_000) == {X: NOW}


def test_a_connection_that_was_dead_unnoticed_does_not_hide_a_gap() -> None:
    """While `a` looked alive `b` came and went; when `a` proves dead, that hole is found."""
    ledger = a_ledger()
    for name in "ab":
        ledger.subscribed([X], name, NOW)
    ledger.received([live(X, 1, NOW + 100)], "a")
    ledger.received([live(X, 1, NOW + 100)], "b")
    ledger.received([live(X, 2, NOW + 5_000)], "b")
    ledger.lost([X], "b", NOW + 5_000, "closed")
    ledger.subscribed([X], "b", NOW + 8_000)
    ledger.lost([X], "a", NOW + 20_000, "silence")
    assert spans(ledger.tell(NOW + 20_000)) == [(5_000, 8_000, "silence")]
    ledger.received([live(X, 3, NOW + 20_000)], "b")
    assert ledger.since(NOW + 20_000) == {X: NOW + 8_000}


def test_a_refused_symbol_is_missing_until_it_is_granted() -> None:
    """A refusal tells of a gap even where nothing ever came."""
    ledger = a_ledger()
    ledger.refused(X, "a", NOW)
    ledger.refused(X, "b", NOW + 1)
    assert spans(ledger.tell(NOW + 5)) == [(0, 5, "refused")]
    assert ledger.open_ms(NOW + 1_000) == {X: 1_000}
    ledger.subscribed([X], "a", NOW + 10)
    assert spans(ledger.due(NOW + 10)) == [(0, 10, "refused")]


def test_silence_lasts_until_the_next_trade() -> None:
    """The topic alone was dead; the connection's other frames prove nothing for it."""
    ledger = a_ledger()
    ledger.subscribed([X, Y], "a", NOW)
    ledger.received([live(X, 1, NOW + 10)], "a")
    ledger.received([live(Y, 2, NOW + 29_000)], "a")
    ledger.silent(X, "a", NOW + 1_000, NOW + 30_000)
    assert spans(ledger.tell(NOW + 30_000)) == [(10, 30_000, "silence")]
    assert list(ledger.since(NOW + 30_000)) == [Y]
    ledger.received([live(X, 3, NOW + 60_000)], "a")
    assert spans(ledger.due(NOW + 60_000)) == [(10, 60_000, "silence")]
    assert ledger.since(NOW + 60_001)[X] == NOW + 60_000


def test_what_was_dropped_is_a_gap_although_it_was_received() -> None:
    """Knowing the ids of trades that Kafka never got must not count as having them."""
    ledger = a_ledger()
    ledger.subscribed([X], "a", NOW)
    ledger.received([live(X, 1, NOW + 10)], "a")
    ledger.dropped(X, NOW + 10, NOW + 20, "kafka")
    ledger.dropped(X, NOW + 90, NOW + 90, "kafka")
    (gap,) = ledger.due(NOW + 100)
    assert spans([gap]) == [(10, 90, "kafka")]
    assert ledger.known(gap) == (set(), set(), set())
    assert ledger.since(NOW + 100) == {X: NOW + 90}


def test_what_we_gave_up_is_no_gap_and_is_forgotten() -> None:
    """Others have it now; only what was missed before stays to be closed."""
    ledger = a_ledger()
    ledger.subscribed([X, Y], "a", NOW)
    ledger.lost([Y], "a", NOW + 5, "closed")
    ledger.given_up([X, Y], "a", NOW + 10)
    (gap,) = ledger.due(NOW + 10)
    assert spans([gap]) == [(0, 10, "closed")]
    assert ledger.settle(gap, "covered", repaired_from=gap.from_time)
    assert [told.state for told in ledger.tell(NOW + 11)] == ["covered"]
    assert ledger._tracks == {}
    assert ledger._heard == {}


def test_a_start_is_a_gap_only_where_somebody_received_the_symbol_before() -> None:
    """And not even then, if others did so all the time: nothing was interrupted."""
    ledger = a_ledger({X: NOW - 9_000}.get)
    ledger.subscribed([X, Y], "a", NOW)
    (gap,) = ledger.due(NOW)
    assert spans([gap]) == [(-9_000, 0, "start")]
    assert ledger.tell(NOW) == []
    ledger.settle(gap, "covered")
    assert ledger.tell(NOW) == []


def test_a_start_that_nobody_covered_is_told() -> None:
    """Once it is known how it ended."""
    ledger = a_ledger({X: NOW - 9_000, Y: NOW + 61_000}.get)
    ledger.subscribed([X], "a", NOW)
    ledger.settle(ledger.due(NOW)[0], "repaired", repaired_from=NOW - 9_000, stitched=3)
    (told,) = ledger.tell(NOW)
    assert (told.state, told.stitched, told.repaired_from) == ("repaired", 3, NOW - 9_000)
    ledger.subscribed([Y], "a", NOW + 70_000)
    assert spans(ledger.due(NOW + 70_000)) == [(61_000, 70_000, "rebalance")]


def test_a_gap_that_grew_is_not_settled_by_what_was_found_before() -> None:
    """The answer was about a shorter one."""
    ledger = a_ledger()
    ledger.dropped(X, NOW, NOW + 10, "kafka")
    (gap,) = ledger.due(NOW + 10)
    ledger.dropped(X, NOW + 5, NOW + 20, "kafka")
    assert not ledger.settle(gap, "repaired")
    assert spans(ledger.due(NOW + 20)) == [(0, 20, "kafka")]


def test_many_gaps_of_a_symbol_grow_together() -> None:
    """They stay bounded, and no moment of them is forgotten."""
    ledger = a_ledger()
    for number in range(50):
        ledger.subscribed([X], "a", NOW + 100 * number)
        ledger.received([live(X, number, NOW + 100 * number + 50)], "a")
        ledger.lost([X], "a", NOW + 100 * number + 60, "closed")
    gaps = ledger.due(NOW + 10_000) + ledger.tell(NOW + 10_000)
    assert len(ledger._tracks[X].gaps) == MAX_GAPS
    for number in range(49):
        start, end = NOW + 100 * number + 50, NOW + 100 * number + 100
        assert any(gap.from_time <= start and end <= gap.to_time for gap in gaps)


def test_ids_before_and_after_a_gap_are_told_apart() -> None:
    """A trade that came before the grant belongs to neither."""
    ledger = a_ledger()
    ledger.subscribed([X], "a", NOW)
    ledger.received([live(X, 1, NOW + 1)], "a")
    ledger.lost([X], "a", NOW + 2, "closed")
    ledger.received([live(X, 2, NOW + 3)], "a")
    ledger.subscribed([X], "a", NOW + 4)
    ledger.received([live(X, 3, NOW + 5)], "a")
    ledger.stitched(X, ["9"])
    assert ledger.known(ledger.due(NOW + 9)[0]) == ({"1"}, {"3"}, {"1", "2", "3", "9"})


def test_coverage_is_claimed_only_where_a_fresh_frame_proves_it() -> None:
    """Another instance relies on it: a connection may be dead without our knowing yet."""
    ledger = a_ledger()
    ledger.subscribed([X], "a", NOW)
    assert ledger.since(NOW + FRESH_MS) == {X: NOW}
    assert ledger.since(NOW + FRESH_MS + 1) == {}
    ledger.received([live(X, 1, NOW + 9_000)], "a")
    assert ledger.since(NOW + FRESH_MS + 1) == {X: NOW}


def test_rates_follow_the_trades() -> None:
    """The first look sets the beginning, each further one folds in what came since."""
    ledger = a_ledger()
    ledger.subscribed([X], "a", NOW)
    assert ledger.rates(NOW) == {X: 0.0}
    ledger.received([live(X, number, NOW + number) for number in range(50)], "a")
    assert ledger.rates(NOW + 5_000) == {X: 10.0}
    assert 9.0 < ledger.rates(NOW + 10_000)[X] < 10.0
    assert ledger.rates(NOW + 600_000)[X] < 0.1


MOMENTS = 40
EVENTS = st.lists(
    st.tuples(st.integers(1, MOMENTS), st.sampled_from("ab"), st.booleans()), max_size=30
)


@settings(max_examples=150, deadline=None)
@given(events=EVENTS)
def test_an_instant_is_in_a_gap_exactly_if_no_connection_brought_the_symbol(
    events: list[tuple[int, str, bool]],
) -> None:
    """Against a model that looks at each instant: two connections come and go, trades flow."""
    ledger = a_ledger()
    up: set[str] = set()
    ever = False
    down: set[int] = set()
    unheard: set[int] = set()
    for moment in range(MOMENTS + 2):
        granted = False
        for _, name, comes in (event for event in events if event[0] == moment):
            tell_ledger(ledger, name, NOW + moment, comes=comes)
            (up.add if comes else up.discard)(name)
            granted = granted or comes
        ever = ever or granted
        for name in sorted(up):
            ledger.received([live(X, moment, NOW + moment)], name)
        if ever and not granted and not up:
            down.add(moment)
        if granted and not up:
            unheard.add(moment)
    # Of a grant that was lost before a frame came nothing proves that it brought the symbol.
    covered = covered_by(ledger)
    assert down <= covered <= down | unheard


def tell_ledger(ledger: GapLedger, name: str, at_ms: int, *, comes: bool) -> None:
    """Tell of a connection that comes, or goes right after its last frame."""
    if comes:
        ledger.subscribed([X], name, at_ms)
    else:
        ledger.lost([X], name, at_ms, "closed")


def covered_by(ledger: GapLedger) -> set[int]:
    """Give the whole instants after the last frame and before the next grant."""
    told = ledger.tell(NOW + MOMENTS + 2)
    return {
        moment
        for gap in told
        # The gap begins at the last frame, which came one instant before the loss.
        for moment in range(gap.from_time - NOW + 1, gap.to_time - NOW)
    }


@settings(max_examples=150, deadline=None)
@given(
    sessions=st.lists(
        st.tuples(
            st.sampled_from("ab"), st.integers(0, 60), st.integers(1, 30), st.integers(0, 20)
        ),
        min_size=1,
        max_size=8,
    ),
)
def test_deaths_that_are_noticed_late_hide_nothing(
    sessions: list[tuple[str, int, int, int]],
) -> None:
    """Connections die silently and are lost later; each instant without a live one is in a gap."""
    ledger = a_ledger()
    plan = without_overlaps(sessions)
    end = max(lost for *_, lost in plan) + 1
    alive: set[int] = set()
    for moment in range(end + 1):
        for name, start, dead, lost in plan:
            if lost == moment:
                ledger.lost([X], name, NOW + moment, "silence")
            if start == moment:
                ledger.subscribed([X], name, NOW + moment)
            if start <= moment <= dead:
                ledger.received([live(X, moment, NOW + moment)], name)
                alive.add(moment)
    inside = {
        moment
        for gap in ledger.tell(NOW + end)
        for moment in range(gap.from_time - NOW, gap.to_time - NOW + 1)
    }
    first = min(start for _, start, *_ in plan)
    assert set(range(first, end + 1)) - alive <= inside
    assert NOTICED_MS > 60


def without_overlaps(
    sessions: list[tuple[str, int, int, int]],
) -> list[tuple[str, int, int, int]]:
    """Give (connection, granted, died, lost) with one session of a connection at a time."""
    plan: list[tuple[str, int, int, int]] = []
    free = {"a": 0, "b": 0}
    for name, wait, life, notice in sessions:
        start = free[name] + wait
        plan.append((name, start, start + life, start + life + notice))
        free[name] = start + life + notice + 1
    return plan
