"""Budget: never more connections within a window than allowed, and patience after a 403."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.budget import Budget


@given(st.lists(st.floats(0.0, 60.0), max_size=120), st.integers(1, 10))
def test_no_window_holds_more_than_the_limit(pauses: list[float], limit: int) -> None:
    """However the attempts fall, any five minutes hold at most so many."""
    budget, now, starts = Budget(limit, 300.0), 0.0, []
    for pause in pauses:
        now += pause
        starts.append(now + budget.book(now))
    # A wait is told, so a start is a sum, and sums of seconds are off by their last bits.
    assert all(later - earlier >= -1e-6 for earlier, later in pairwise(starts))
    for first, beyond in zip(starts, starts[limit:], strict=False):
        assert beyond - first >= 300.0 - 1e-6


def test_what_is_left_comes_back_with_time() -> None:
    """A connection counts for one window."""
    budget = Budget(3, 300.0)
    assert [budget.book(now) for now in (0.0, 10.0)] == [0.0, 0.0]
    assert (budget.left(10.0), budget.left(305.0), budget.left(311.0)) == (1, 2, 3)


def test_a_forbidden_handshake_pauses_all_and_ever_longer() -> None:
    """60 s, 120 s and so on, at most 10 minutes; a success starts over."""
    budget, now, waits = Budget(), 0.0, []
    for _ in range(6):
        budget.forbidden(now)
        budget.forbidden(now)  # another feed, in the same breath
        waits.append(budget.book(now))
        now += waits[-1]
    assert waits == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]
    budget.accepted()
    budget.forbidden(now)
    assert budget.book(now) == 60.0
