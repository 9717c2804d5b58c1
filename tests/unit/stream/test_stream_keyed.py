"""The share of one instrument in the executors: the driver's candles, and time told by silence."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stream_tape import RULES, a_tape
from support.trades import TIME_MS, a_record

from cryptostream.contracts.trade import encode_trade
from cryptostream.stream.engine import Engine
from cryptostream.stream.keyed import (
    QUIET_MS,
    SLICE_MS,
    Heard,
    Keyed,
    Parcel,
    Rulebook,
    SeenIds,
    pack,
    read,
    unpack,
)

BOOK = Rulebook(RULES, lateness_ms=2_000, update_ms=1_000, horizon_ms=300_000)
#: Some seconds into a minute: no two of its candles end together.
ONE = a_tape(1, 100)
ROW = {"topic": "bybit-trades", "partition": 0, "offset": 1, "kafka_time": TIME_MS}


def _final(parcel: Parcel) -> list[bytes]:
    return [one.header for one in parcel.actions if b'"final":true' in one.body]


@settings(deadline=None, max_examples=25)
@given(st.lists(st.integers(1, 599), unique=True, max_size=8))
def test_it_gives_what_the_engine_of_the_driver_gives(cuts: list[int]) -> None:
    """However a tape is cut, with the state written and read at each cut, nothing differs."""
    tape = a_tape(600)
    whole = Engine(RULES, lateness_ms=2_000, update_ms=1_000)
    state: bytes | None = None
    for start, end in pairwise([0, *sorted(cuts), 600]):
        piece = tape[start:end]
        vectors = whole.features(piece)
        step = whole.advance(piece, [None] * len(piece), piece[-1].kafka_time)
        keyed = Keyed(BOOK, state)
        parcel = keyed.take(piece, piece[-1].kafka_time)
        assert [features for _, features in parcel.trades] == vectors
        assert len(parcel.actions) == len(step.candles)
        assert len(_final(parcel)) == sum(one.candle.final for one in step.candles)
        assert not keyed.cold
        state = keyed.state()


def test_a_silence_makes_candles_final_and_a_lag_does_not() -> None:
    """The time that the stream was behind when it last heard the instrument is waited out first."""
    keyed = Keyed(BOOK, None)
    keyed.take(ONE, ONE[0].kafka_time)
    live, behind = Heard(1_000_000, 0), Heard(1_000_000, 60_000)
    due = keyed.due(live)
    assert due is not None
    assert due > 1_000_000 + QUIET_MS
    assert keyed.due(behind) == due + 60_000
    assert not _final(keyed.pass_time(live, due - 1))
    assert not _final(keyed.pass_time(behind, due + 59_999))
    assert len(_final(keyed.pass_time(live, due))) == 1
    later = keyed.due(live)
    assert later is not None
    assert later > due


def test_at_last_every_candle_is_final_and_nothing_is_due() -> None:
    """A symbol that never trades again costs five looks at most, and then none."""
    keyed, heard, finals = Keyed(BOOK, None), Heard(0, 0), 0
    keyed.take(ONE, ONE[0].kafka_time)
    looks = 0
    while (due := keyed.due(heard)) is not None:
        finals += len(_final(keyed.pass_time(heard, due)))
        looks += 1
    assert (finals, looks <= 5) == (5, True)


def test_a_repeated_trade_is_known_until_the_horizon() -> None:
    """Ids are known over a restart, and forgotten by whole slices once the horizon has passed."""
    seen = SeenIds({})
    tape = a_tape(3)
    assert seen.fresh([*tape, tape[0]], TIME_MS) == tape
    again = SeenIds(dict(seen.slices))
    assert again.fresh(tape, TIME_MS + 1) == []
    assert again.added_to == set()
    assert again.expired(TIME_MS + 300_000, 300_000) == []
    assert again.expired(TIME_MS + 300_000 + SLICE_MS, 300_000) == list(seen.slices)


def test_rows_become_trades_letters_and_duplicates() -> None:
    """A row that is no trade is a dead letter that names its place; the others go on."""
    value = encode_trade(a_record().trade)
    rows = [ROW | {"value": value}, ROW | {"value": b"{", "offset": 2}, ROW | {"value": value}]
    fresh, letters, duplicates = read(rows, SeenIds({}), now_ms=TIME_MS)
    assert ([one.identity for one in fresh], duplicates) == ([a_record().identity], 1)
    assert [one.source for one in letters] == ["bybit-trades/0@2"]


def test_a_parcel_arrives_as_it_was_sent() -> None:
    """Between the operator and the settling partition nothing is lost or rounded."""
    parcel = Keyed(BOOK, None).take(a_tape(50), TIME_MS + 137 * 50)
    parcel.duplicates, parcel.late = 2, {"corrected": 1}
    arrived = unpack(pack(parcel))
    assert arrived == parcel


@pytest.mark.parametrize("state", [b"", b"garbage"])
def test_a_state_that_can_not_be_read_is_said_and_overwrites_nothing(state: bytes) -> None:
    """It begins cold, and candles that began before its first trade are not given."""
    keyed = Keyed(BOOK, state)
    assert keyed.cold
    starts = [one for one in keyed.take(a_tape(1), TIME_MS).actions if b'"1h"' in one.body]
    assert starts == []
