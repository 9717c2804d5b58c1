"""Kafka lag."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.board.lag import LagError, LagReader, lag_of
from cryptostream.board.market import Lag

AT = ("bybit-trades", 0)


@pytest.mark.parametrize(
    ("start", "end", "committed", "behind"),
    [
        (0, 10, 4, 6),
        (0, 10, None, 10),
        (6, 10, None, 4),
        (6, 10, 2, 4),
        (0, 10, 12, 0),
        (0, 0, 0, 0),
    ],
)
def test_lag_is_end_less_committed(
    start: int, end: int, committed: int | None, behind: int
) -> None:
    """Without a usable commit a partition lags from its first record; never below none."""
    commits = {} if committed is None else {AT: committed}
    assert lag_of({AT: end}, {AT: start}, commits) == Lag(records=behind, partitions=1)


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 99), st.integers(0, 99))))
def test_lag_adds_up_over_partitions(offsets: list[tuple[int, int, int]]) -> None:
    """The whole is the sum of its partitions."""
    at = [(f"t{number}", 0) for number in range(len(offsets))]
    starts, ends, commits = (
        {one: o[k] for one, o in zip(at, offsets, strict=True)} for k in range(3)
    )
    whole = lag_of(ends, starts, commits).records
    parts = [lag_of({one: ends[one]}, starts, commits).records for one in at]
    assert whole == sum(parts)


def test_a_broker_that_is_down_is_one_clear_error() -> None:
    """No exception of the client library comes out, and not after long."""
    with pytest.raises(LagError, match=r"Kafka can't be asked for the lag \(_TRANSPORT\)"):
        LagReader("127.0.0.1:1").read()
