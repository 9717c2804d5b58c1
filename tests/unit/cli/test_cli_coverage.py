"""The picture that `cryptostream feed` shows, and its plain lines."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from cryptostream.cli.coverage import FORGOTTEN_MS, STALE_MS, Picture, Told, Topic, picture, rates
from cryptostream.cli.coverage_kafka import kafka_address
from cryptostream.cli.coverage_show import lines, summary, table
from cryptostream.contracts.messages import Coverage, Gap, GapState

NOW_MS = 1_791_457_528_960


def report(instance: str, *symbols: str, age_ms: int = 1_000, **changes: Any) -> Coverage:
    """Make a report: each symbol came for a minute, at 2 trades a second."""
    at = NOW_MS - age_ms
    fields: dict[str, Any] = {
        "exchange": "bybit",
        "category": "spot",
        "instance": instance,
        "time": at,
        "since": dict.fromkeys(symbols, at - 60_000),
        "rates": dict.fromkeys(symbols, 2.0),
    }
    return Coverage(**(fields | changes))


def gap(number: int, *, state: GapState = "open", lasts_ms: int = 4_000, left_ms: int = 0) -> Gap:
    """Make a gap of instance `a` whose first `left_ms` (all if 0) nobody repaired."""
    start = NOW_MS - 50_000
    return Gap(
        gap_id=f"g{number}",
        exchange="bybit",
        category="spot",
        symbol="AUSDT",
        from_time=start,
        to_time=start + lasts_ms,
        cause="silence" if number % 2 else "closed",
        state=state,
        shard="a",
        recorded_time=NOW_MS,
        repaired_from=start + (left_ms or lasts_ms),
    )


def shown(*told: Coverage | Gap, topics: tuple[Topic, ...] = ()) -> Picture:
    """Draw the picture of some messages."""
    known = Told()
    for one in told:
        if isinstance(one, Gap):
            known.gap(one)
        else:
            known.report(one)
    return picture(known, topics, NOW_MS)


def test_symbols_are_counted_by_their_owners() -> None:
    """Two instances with one symbol in common: one symbol by two, two by one."""
    made = shown(report("a", "AUSDT", "BUSDT"), report("b", "BUSDT", "CUSDT"))
    assert (made.symbols, made.owners) == (3, {1: 2, 2: 1})
    assert [(one.name, one.symbols, one.rate) for one in made.instances] == [
        ("a", 2, 4.0),
        ("b", 2, 4.0),
    ]


def test_a_symbol_of_two_owners_counts_once_in_the_rate() -> None:
    """The one that saw more is believed."""
    made = shown(report("a", "AUSDT"), report("b", "AUSDT", rates={"AUSDT": 3.0}))
    assert made.rate == 3.0


def test_the_same_symbol_of_another_exchange_is_another_symbol() -> None:
    """Markets are kept apart."""
    made = shown(report("a", "AUSDT"), report("a", "AUSDT", exchange="okx"))
    assert made.owners == {1: 2}
    assert [one.market for one in made.instances] == ["bybit/spot", "okx/spot"]


def test_a_stale_instance_is_shown_and_owns_nothing() -> None:
    """What it told is too old to be true."""
    made = shown(report("a", "AUSDT", age_ms=STALE_MS + 1))
    assert (made.symbols, made.rate, made.owners) == (0, 0.0, {})
    assert made.instances[0].stale
    assert "STALE" in lines(made)[1]


def test_an_instance_that_went_long_ago_is_forgotten() -> None:
    """It would stay in the table for ever."""
    told = Told()
    told.report(report("a", "AUSDT", age_ms=FORGOTTEN_MS + 1))
    told.report(report("b", "AUSDT"))
    told.forget(NOW_MS)
    assert [instance for _, _, instance in told.reports] == ["b"]


def test_an_older_report_does_not_replace_a_newer_one() -> None:
    """The last word counts, not the last to arrive."""
    made = shown(report("a", "AUSDT", "BUSDT"), report("a", "AUSDT", age_ms=9_000))
    assert (made.instances[0].symbols, made.instances[0].age_s) == (2, 1.0)


def test_the_newest_interruption_says_for_how_long_an_instance_is_whole() -> None:
    """One symbol that came back 5 s ago makes it whole for 5 s."""
    at = NOW_MS - 1_000
    made = shown(report("a", since={"AUSDT": at - 60_000, "BUSDT": at - 5_000}))
    assert made.instances[0].whole_s == 5.0


def test_open_gaps_are_added_up_without_what_was_repaired() -> None:
    """4 s are open, 1.5 of another 4 s are left; covered and repaired ones are gone."""
    made = shown(
        report("a", "AUSDT"),
        gap(1),
        gap(2, state="partly_repaired", left_ms=1_500),
        gap(3),
        gap(3, state="covered"),
        gap(4, state="repaired"),
    )
    assert (made.open_gaps, made.open_gap_s) == (2, 5.5)
    assert (made.instances[0].open_gaps, made.instances[0].open_gap_s) == (2, 5.5)
    assert made.causes == {"silence": 1, "closed": 1}


def test_rates_need_two_looks() -> None:
    """A topic that is new has none yet, and no time gives no rate."""
    assert rates({"a": 10}, {"a": 30, "b": 5}, 2.0) == {"a": 10.0}
    assert rates({"a": 10}, {"a": 30}, 0.0) == {}


def test_the_lines_are_a_summary_and_a_line_for_each_instance_and_topic() -> None:
    """Columns are separated by tabs, for other programs."""
    topic = Topic("bybit-trades", 1_000, 12.5, 7)
    told = lines(shown(report("a", "AUSDT"), gap(1), topics=(topic,)))
    assert told == [
        "1 symbols received (1 by 1), 2.0 trades/s, 1 open gaps of 4.0 s (silence 1), stream lag 7",
        "instance\ta\tbybit/spot\t1\t2.0\t1 s\t60 s\t1\t4.0",
        "topic\tbybit-trades\t1000\t12.5\t7",
    ]


def test_nothing_told_is_a_picture_too() -> None:
    """Before the first report."""
    assert summary(shown()).startswith("0 symbols received (by nobody)")


def test_the_table_draws_names_as_they_are() -> None:
    """An instance's name is text, whatever brackets are in it."""
    console = Console(width=160, record=True, file=None)
    with console.capture() as captured:
        console.print(table(shown(report("[red]a", "AUSDT"), gap(1))))
    assert "[red]a" in captured.get()


def test_kafka_is_found_through_the_running_stack(monkeypatch: Any) -> None:
    """The environment comes first, then the state file, then the usual address."""
    state = {"components": [{"name": "kafka", "port": 4242}]}
    monkeypatch.delenv("KAFKA_BOOTSTRAP_SERVERS", raising=False)
    assert kafka_address(state) == "127.0.0.1:4242"
    assert kafka_address({}) == "127.0.0.1:19092"
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    assert kafka_address(state) == "kafka:9092"
