"""Liveness: a dead connection is found in time, a busy one is left alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.liveness import DEFAULT_LIMITS, Liveness


def fresh() -> Liveness:
    """Start at second 0."""
    return Liveness(0.0, DEFAULT_LIMITS)


def test_silence_is_found_after_its_deadline() -> None:
    """30 s without any frame, counted from the last one."""
    life = fresh()
    assert life.verdict(30.0) is None
    assert life.verdict(30.1) == "silence"
    life.heard(20.0)
    assert life.verdict(50.0) is None


def test_a_missing_pong_is_found_although_data_flows() -> None:
    """Data proves only one direction; the deadline runs from the first unanswered ping."""
    life = fresh()
    life.pinged(5.0)
    life.pinged(12.0)
    life.heard(15.0)
    assert life.verdict(15.0) is None
    assert life.verdict(15.1) == "pong_missing"
    life.ponged()
    assert life.verdict(15.1) is None


def test_an_unanswered_subscription_is_found() -> None:
    """10 s without all answers."""
    life = fresh()
    life.asked(1.0)
    life.heard(11.0)
    assert life.verdict(11.0) is None
    assert life.verdict(11.1) == "unacknowledged"
    life.answered()
    assert life.verdict(11.1) is None


@given(st.floats(0, 1e6), st.floats(0, 100))
def test_time_spent_waiting_for_kafka_counts_against_nobody(wait: float, later: float) -> None:
    """Every deadline moves by the time that the reader didn't read."""
    blocked, plain = fresh(), fresh()
    for life in (blocked, plain):
        life.pinged(1.0)
        life.asked(2.0)
    blocked.blocked(3.0)
    assert blocked.verdict(3.0 + wait) is None
    blocked.unblocked(3.0 + wait)
    margin = 1e-6  # seconds: adding a million and taking it off again rounds
    expected = {plain.verdict(3.0 + later - margin), plain.verdict(3.0 + later + margin)}
    assert blocked.verdict(3.0 + wait + later) in expected


def test_unblocking_what_was_not_blocked_changes_nothing() -> None:
    """The reader may report its return twice."""
    life = fresh()
    life.unblocked(1000.0)
    assert life.verdict(31.0) == "silence"
