"""Back-off: bounded, jittered, growing, and forgiving once a connection held."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.backoff import (
    BASE_SECONDS,
    CAP_SECONDS,
    FLOOR_SECONDS,
    HEAL_SECONDS,
    Backoff,
)

#: Bybit allows 500 connections in 5 minutes from one address.
WINDOW_SECONDS, ALLOWED = 300.0, 500


class Highest(Random):
    """Dice that always show their highest number."""

    def uniform(self, a: float, b: float) -> float:
        """Give the upper end."""
        del a
        return b


@given(st.integers(), st.lists(st.floats(0, 1e6), max_size=100))
def test_every_wait_is_bounded(seed: int, held: list[float]) -> None:
    """Neither a spin nor a wait beyond the cap, after any history."""
    backoff = Backoff(Random(seed))
    for seconds in held:
        assert FLOOR_SECONDS <= backoff.next_delay(seconds) <= CAP_SECONDS


def test_the_ceiling_doubles_up_to_the_cap_for_ever() -> None:
    """The longest possible waits: 0.5, 1, 2, ... 30, and 30 after 10,000 attempts too."""
    backoff = Backoff(Highest())
    waits = [backoff.next_delay() for _ in range(10_000)]
    assert waits[:7] == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0]
    assert waits[-1] == CAP_SECONDS


def test_a_connection_that_held_forgives_what_failed_before() -> None:
    """One that fell at once adds up; after one that held all is new, however long the outage."""
    backoff = Backoff(Highest())
    for _ in range(10_000):
        backoff.next_delay()
    assert backoff.next_delay(HEAL_SECONDS - 0.1) == CAP_SECONDS
    assert backoff.next_delay(HEAL_SECONDS) == BASE_SECONDS
    assert backoff.next_delay() == BASE_SECONDS * 2


def test_cuts_seconds_apart_stay_within_the_budget_of_connections() -> None:
    """A connection cut whenever it just counts as good is made anew under 100 times in 300 s."""
    rng = Random(1)
    backoff = Backoff(rng)
    now, attempts = 0.0, 0
    while now < WINDOW_SECONDS:
        now += HEAL_SECONDS + backoff.next_delay(HEAL_SECONDS)
        attempts += 1
    assert attempts < 100


@given(st.integers())
def test_the_exchanges_budget_of_connections_holds(seed: int) -> None:
    """A server that refuses at once sees far fewer than 500 attempts in 5 minutes."""
    backoff = Backoff(Random(seed))
    now, attempts = 0.0, 0
    while now < WINDOW_SECONDS:
        now += backoff.next_delay()
        attempts += 1
    assert attempts < ALLOWED / 4


def test_two_clients_do_not_come_back_together() -> None:
    """Different dice give different waits."""
    first, second = Backoff(Random(1)), Backoff(Random(2))
    assert [first.next_delay() for _ in range(5)] != [second.next_delay() for _ in range(5)]
