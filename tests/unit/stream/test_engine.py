"""The engine: what a step gives, and that cuts between steps leave no trace in what is final."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stream_tape import SYMBOLS, a_market, an_engine, batches
from support.trades import TIME_MS, a_record

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.contracts.messages import Candle
from cryptostream.stream.clock import IDLE_MS, MAX_AHEAD_MS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.stream.engine import CandleUpdate, Engine, Features, Step
    from cryptostream.stream.records import Record

BEGIN = TIME_MS + 1


def play(engine: Engine, batch: Sequence[Record]) -> tuple[list[Features], Step]:
    """Run one batch as the trades query does."""
    vectors = engine.features(batch)
    scores = [None if vector is None else 0.5 + vector[0][0] / 4 for vector in vectors]
    return vectors, engine.advance(batch, scores, max(one.kafka_time for one in batch))


def finals(steps: Sequence[Step]) -> dict[tuple[str, str, int], CandleUpdate]:
    """Give the final candles by symbol, interval and start."""
    return {
        (one.candle.symbol, one.candle.interval, one.candle.start): one
        for step in steps
        for one in step.candles
        if one.candle.final
    }


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 80), st.integers(0, 3))
def test_cuts_between_batches_change_nothing_final(size: int, seed: int) -> None:
    """Vectors and final candles, indicators included, are bit for bit those of any other cut."""
    tape = a_market(300, seed=seed)
    whole, parts = an_engine(), an_engine()
    expected = [play(whole, batch) for batch in batches(tape, 10)]
    found = [play(parts, batch) for batch in batches(tape, size)]
    one, other = finals([step for _, step in expected]), finals([step for _, step in found])
    common = one.keys() & other.keys()
    assert len(common) > 20
    assert all(one[key] == other[key] for key in common)


def test_block_trades_leave_everything_alone() -> None:
    """A block trade has no vector, touches neither the next trade's nor any candle."""
    record, block = a_record(), a_record(block_trade=True, price="900000")
    engine, plain = an_engine(), an_engine()
    (first, nothing, second), step = play(engine, [record, block, record])
    assert nothing is None
    assert first is not None
    assert len(first[0]) == FEATURE_COUNT
    vectors, expected = play(plain, [record, record])
    assert [first, second] == vectors
    assert step.candles == expected.candles


def test_a_quiet_symbols_candles_become_final_by_the_others() -> None:
    """The watermark is the exchange's: a symbol that trades no more gets its final candle."""
    engine = an_engine()
    play(engine, [a_record(symbol="AUSDT", trade_time=BEGIN)])
    _, step = play(engine, [a_record(trade_time=BEGIN + 63_000, kafka_time=BEGIN + 63_000)])
    kept = [one.candle for one in step.candles if one.candle.symbol == "AUSDT"]
    assert [(one.interval, one.final) for one in kept] == [("1s", True), ("1m", True)]


def test_a_partition_that_is_read_behind_holds_the_watermark() -> None:
    """Trades of a partition that lags are in time; one that is idle is not waited for."""
    engine = an_engine()
    behind = a_record(trade_time=BEGIN, kafka_time=BEGIN)._replace(partition=1)
    ahead = a_record(symbol="AUSDT", trade_time=BEGIN + 4_000, kafka_time=BEGIN + 4_000)
    play(engine, [ahead, behind])
    _, step = play(engine, [behind._replace(trade=msgspec.structs.replace(behind.trade, seq=99))])
    assert not step.late
    later = BEGIN + 4_001 + IDLE_MS
    play(engine, [a_record(symbol="AUSDT", trade_time=later, kafka_time=later)])
    _, step = play(engine, [behind])
    assert step.late["corrected"] == 1


def test_a_clock_that_is_ahead_makes_no_others_late() -> None:
    """A trade from the future moves the watermark a little at most."""
    engine = an_engine()
    play(engine, [a_record(trade_time=BEGIN + 10**9, kafka_time=BEGIN)])
    (clock,) = engine.clocks.values()
    assert clock.watermark <= BEGIN + MAX_AHEAD_MS


def test_a_corrected_candle_comes_without_indicators() -> None:
    """What was final is given again with its `late`, and its indicators are left as written."""
    engine = an_engine()
    play(engine, [a_record(trade_time=BEGIN, kafka_time=BEGIN)])
    play(engine, [a_record(trade_time=BEGIN + 9_000, kafka_time=BEGIN + 9_000)])
    _, step = play(engine, [a_record(trade_time=BEGIN + 1, kafka_time=BEGIN + 9_001)])
    (second,) = [one for one in step.candles if one.candle.interval == "1s"]
    assert (second.candle.final, second.candle.late, second.candle.trades) == (True, 1, 2)
    assert second.indicators is None


def test_a_forgetful_engine_gives_no_candle_that_began_before_it() -> None:
    """After a cold start a candle that may lack trades does not overwrite a whole one."""
    engine = an_engine(forgetful=True)
    begin = BEGIN + 30_000
    _, step = play(engine, [a_record(trade_time=begin, kafka_time=begin)])
    assert {one.candle.interval for one in step.candles} == {"1s"}
    later = begin + 40_000
    _, step = play(engine, [a_record(trade_time=later, kafka_time=later)])
    assert {one.candle.start for one in step.candles if one.candle.interval == "1m"} == {
        BEGIN + 60_000
    }


def test_rolling_statistics_come_once_a_minute_for_every_symbol() -> None:
    """Each symbol gives its windows once a minute of event time, the reference's name with them."""
    engine, rows = an_engine(), []
    for batch in batches(a_market(1_500, step_ms=400), 20):
        rows += play(engine, batch)[1].rolling
    for symbol in SYMBOLS:
        times = [one["time"] for one in rows if one["symbol"] == symbol and one["window"] == "5m"]
        assert len(times) == pytest.approx(10, abs=1)
    assert {one["reference"] for one in rows[9:]} == {"BTCUSDT"}


def test_waiting_candles_are_the_newest_state() -> None:
    """When nothing more comes, what was held back makes every candle equal to its trades."""
    engine, last = an_engine(), dict[tuple[str, str, int], Candle]()
    tape = list(a_market(200, step_ms=20))
    for batch in batches(tape, 3):
        for one in play(engine, batch)[1].candles:
            last[one.candle.symbol, one.candle.interval, one.candle.start] = one.candle
    for one in engine.waiting():
        last[one.candle.symbol, one.candle.interval, one.candle.start] = one.candle
    traded = sum(not one.trade.block_trade for one in tape)
    for interval in ("1s", "1m", "1h"):
        assert sum(one.trades for one in last.values() if one.interval == interval) == traded
    assert engine.waiting() == engine.waiting()


@pytest.mark.parametrize("gap_ms", [130_000, 45 * 60_000, 5 * 3_600_000])
def test_a_late_trade_before_a_long_leap_is_a_correction(gap_ms: int) -> None:
    """A batch that works off an outage holds late trades and the end of what they corrected."""
    engine = an_engine()
    play(engine, [a_record(trade_time=BEGIN, kafka_time=BEGIN)])
    play(engine, [a_record(trade_time=BEGIN + 9_000, kafka_time=BEGIN + 9_000)])
    late = a_record(trade_time=BEGIN + 1, kafka_time=BEGIN + 9_001)
    after = a_record(trade_time=BEGIN + gap_ms, kafka_time=BEGIN + gap_ms)
    _, step = play(engine, [late, after])
    assert step.late["corrected"] == 1
    (second,) = [
        one.candle
        for one in step.candles
        if one.candle.interval == "1s" and one.candle.start == BEGIN // 1_000 * 1_000
    ]
    assert (second.final, second.late, second.trades) == (True, 1, 2)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0, 200, 5_000, 150_000, 40 * 60_000, 3 * 3_600_000]),
            st.sampled_from([0, 0, 900, 4_000, 100_000, 2 * 3_600_000]),
            st.sampled_from(SYMBOLS[:2]),
        ),
        min_size=6,
        max_size=40,
    ),
    st.integers(2, 5),
)
def test_no_leap_and_no_delay_stops_the_engine(
    moves: Sequence[tuple[int, int, str]], size: int
) -> None:
    """Whatever time does, each batch is settled, and a final candle's trades are counted once.

    A step gives a candle once: two writes of one may pass each other.
    """
    engine, now, tape = an_engine(), BEGIN, []
    for number, (leap, delay, symbol) in enumerate(moves):
        now += leap
        tape.append(
            a_record(symbol=symbol, trade_id=str(number), seq=number, offset=number,
                     trade_time=now - delay, kafka_time=now)
        )  # fmt: skip
    steps = [play(engine, batch)[1] for batch in batches(tape, size)]
    for step in steps:
        given = [(one.candle.symbol, one.candle.interval, one.candle.start) for one in step.candles]
        assert len(given) == len(set(given))
    told = finals(steps)
    seconds = [one.candle.trades for key, one in told.items() if key[1] == "1s"]
    assert sum(seconds) <= len(tape)
    assert sum(sum(step.late.values()) for step in steps) <= len(tape)
