"""Deduplication: a trade is fresh once, within a horizon that bounds the memory."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.stream_tape import a_tape

from cryptostream.stream.dedup import Seen

HORIZON_MS = 1_000


def test_a_repeated_trade_is_fresh_once() -> None:
    """Repeats within a batch and in later batches are dropped."""
    seen, tape = Seen(horizon_ms=HORIZON_MS), a_tape(3)
    assert seen.fresh([*tape, tape[1]], 0) == tape
    assert seen.fresh(tape, HORIZON_MS) == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 300)), max_size=60))
def test_memory_is_bounded_by_the_horizon(steps: list[tuple[int, int]]) -> None:
    """However long it runs, no id older than the horizon is remembered."""
    seen, now = Seen(horizon_ms=HORIZON_MS), 0
    for number, wait in steps:
        now += wait
        seen.fresh(a_tape(1, start=number), now)
        assert all(time >= now - HORIZON_MS for time in seen.ids.values())
