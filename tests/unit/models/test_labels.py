"""Labels equal their definitions, spelt out the slow way."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.models.labels import (
    MAX_WAIT_MS,
    UNKNOWN,
    first_fills,
    label_a,
    last_direction,
    naive_label,
)
from cryptostream.models.trades import Tape

HORIZON_MS = 10_000
Row = tuple[int, int, int, int]


@st.composite
def tapes(draw: st.DrawFn) -> Tape:
    """Draw tapes with ties, sweeps, long waits and holes."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from([0, 0, 1, 500, 9_999, 10_000, 29_999, 40_001]),
                st.integers(1, 4),
                st.sampled_from([1, -1]),
                st.sampled_from([0, 0, 0, 0, 1]),
            ),
            max_size=60,
        )
    )
    waits, prices, sides, holes = (
        np.array([step[at] for step in steps], dtype=np.int64) for at in range(4)
    )
    return Tape(
        symbol="BTCUSDT",
        time_ms=np.cumsum(waits),
        price=prices.astype(np.float64),
        size=np.ones(len(steps)),
        side=sides,
        segment=np.cumsum(holes),
    )


def slow_label_a(rows: list[Row], at: int) -> tuple[int, int]:
    """Search row by row for the first same-side order at or after t + H."""
    time_ms, price, side, segment = rows[at]
    for later_ms, later_price, later_side, later_segment in rows:
        if later_ms < time_ms + HORIZON_MS or later_side != side or later_segment != segment:
            continue
        if later_ms - time_ms - HORIZON_MS > MAX_WAIT_MS:
            return UNKNOWN, time_ms
        if later_price == price:
            return UNKNOWN, later_ms
        return int(later_price > price), later_ms
    return UNKNOWN, time_ms


@given(tapes())
def test_label_a_equals_its_definition(tape: Tape) -> None:
    """The fast label A, and when it was known, equal a search row by row."""
    answers = label_a(tape.time_ms, tape.price, tape.side, tape.segment, horizon_ms=HORIZON_MS)
    columns = (tape.time_ms, tape.price, tape.side, tape.segment)
    rows = list(zip(*(column.tolist() for column in columns), strict=True))
    wanted = [slow_label_a(rows, at) for at in range(len(rows))]
    assert list(zip(answers.label.tolist(), answers.settled_ms.tolist(), strict=True)) == wanted


@given(tapes())
def test_an_order_is_a_run_of_equal_time_and_side(tape: Tape) -> None:
    """Each first fill differs from the trade before it; every other fill doesn't."""
    starts = set(first_fills(tape).tolist())
    keys = list(zip(tape.time_ms.tolist(), tape.side.tolist(), tape.segment.tolist(), strict=True))
    assert starts == {at for at, key in enumerate(keys) if at == 0 or key != keys[at - 1]}


@given(tapes())
def test_the_naive_label_looks_at_the_next_trade(tape: Tape) -> None:
    """The literal label is 1 exactly where the next trade of the segment is higher."""
    for at, label in enumerate(naive_label(tape.price, tape.segment)):
        if at + 1 == len(tape) or tape.segment[at + 1] != tape.segment[at]:
            assert label == UNKNOWN
        else:
            assert label == int(tape.price[at + 1] > tape.price[at])


@given(tapes())
def test_the_tick_rule_remembers_the_last_change(tape: Tape) -> None:
    """The direction is that of the last price change within the segment, 0 before one."""
    direction = 0
    for at, found in enumerate(last_direction(tape.price, tape.segment)):
        if at == 0 or tape.segment[at] != tape.segment[at - 1]:
            direction = 0
        elif tape.price[at] != tape.price[at - 1]:
            direction = 1 if tape.price[at] > tape.price[at - 1] else -1
        assert found == direction


@pytest.mark.parametrize(("wait_ms", "label"), [(10_000, 1), (40_000, 1), (40_001, UNKNOWN)])
def test_the_answer_must_come_within_30_s_after_the_horizon(wait_ms: int, label: int) -> None:
    """An order that waits longer than 30 s beyond t + H has no answer."""
    time_ms, price = np.array([0, wait_ms]), np.array([1.0, 2.0])
    one = np.array([1, 1])
    answers = label_a(time_ms, price, one, one, horizon_ms=HORIZON_MS)
    assert answers.label.tolist() == [label, UNKNOWN]
