"""The gate holds the limits on connections of each address."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.simulator.gate import Budget, Gate


def test_without_limits_everybody_comes_in() -> None:
    """Limits are off unless they are set."""
    gate = Gate(Budget())
    assert all(gate.enter("a", 0.0) for _ in range(5_000))


def test_too_many_connections_ban_the_address_alone() -> None:
    """Beyond the budget an address waits the whole ban; another one doesn't."""
    gate = Gate(Budget(new_connections=3, window_seconds=300, ban_seconds=600))
    assert [gate.enter("a", at) for at in (0, 1, 2, 3)] == [True, True, True, False]
    assert gate.enter("b", 3.0)
    assert not gate.enter("a", 602.9)
    assert gate.enter("a", 603.0)
    assert gate.refused == 2


def test_too_many_at_a_time_are_refused_without_a_ban() -> None:
    """Who leaves makes room at once."""
    gate = Gate(Budget(concurrent=2))
    assert [gate.enter("a", 0) for _ in range(3)] == [True, True, False]
    gate.leave("a")
    assert gate.enter("a", 0)


@given(st.lists(st.floats(0, 50), max_size=200))
def test_no_window_ever_has_more_than_the_budget(waits: list[float]) -> None:
    """However attempts are spaced, any window holds at most the budget."""
    gate, now, entered = (
        Gate(Budget(new_connections=5, window_seconds=100, ban_seconds=50)),
        0.0,
        [],
    )
    for wait in waits:
        now += wait
        if gate.enter("a", now):
            entered.append(now)
    for at in entered:
        assert sum(at - 100 < other <= at for other in entered) <= 5
