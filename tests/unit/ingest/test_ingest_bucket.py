"""The budget of REST requests: never too many in any window, and never none for ever."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.bucket import TokenBucket


@given(
    waits=st.lists(st.floats(0.0, 2.0), min_size=1, max_size=200),
    limit=st.floats(2.0, 60.0),
)
def test_no_window_sees_more_than_the_limit(waits: list[float], limit: float) -> None:
    """Whatever the moments at which somebody asks."""
    bucket = TokenBucket(limit, 5.0)
    now, taken = 0.0, []
    for wait in waits:
        now += wait
        if bucket.take(now) == 0.0:
            taken.append(now)
    for start in taken:
        assert sum(start <= at < start + 5.0 for at in taken) <= limit + 1e-6


def test_who_waits_as_told_gets_a_token() -> None:
    """Also with a share of less than one request in a window."""
    for limit in (0.5, 1.0, 30.0):
        bucket, now = TokenBucket(limit, 5.0), 0.0
        for _ in range(50):
            now += bucket.take(now) + 1e-9
        assert now > 0.0
        assert bucket.take(now + 1_000.0) == 0.0


def test_a_smaller_share_counts_at_once() -> None:
    """When others join, what was saved up is cut to the new burst."""
    bucket = TokenBucket(300, 5.0)
    bucket.take(0.0)
    bucket.share(50)
    taken = 0
    while bucket.take(0.0) == 0.0:
        taken += 1
    assert taken == 10
