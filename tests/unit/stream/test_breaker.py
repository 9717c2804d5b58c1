"""The circuit breaker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.stream.breaker import CircuitBreaker


def test_it_opens_longer_with_each_failure_up_to_the_cap() -> None:
    """Failures in a row double the pause until the cap."""
    breaker = CircuitBreaker(first_seconds=1.0, cap_seconds=4.0)
    pauses = []
    now = 0.0
    for _ in range(5):
        breaker.failed(now)
        pauses.append(next(step for step in (1.0, 2.0, 4.0, 8.0) if breaker.allows(now + step)))
        now += 100.0
    assert pauses == [1.0, 2.0, 4.0, 4.0, 4.0]


def test_a_success_forgets_the_failures() -> None:
    """After a success the next failure pauses as shortly as the first one."""
    breaker = CircuitBreaker(first_seconds=1.0, cap_seconds=60.0)
    for now in (0.0, 100.0, 200.0):
        breaker.failed(now)
    breaker.succeeded()
    breaker.failed(300.0)
    assert breaker.allows(301.0)


@given(st.integers(0, 5_000))
def test_any_number_of_failures_stays_within_the_cap(failures: int) -> None:
    """The pause never exceeds the cap, however long the outage."""
    breaker = CircuitBreaker(first_seconds=0.5, cap_seconds=5.0)
    for _ in range(failures):
        breaker.failed(0.0)
    assert breaker.allows(5.0)
