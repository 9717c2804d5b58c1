"""Membership: who is alive, by our own clock and what we saw."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.membership import (
    DEBOUNCE_SECONDS,
    MAX_DEBOUNCE_SECONDS,
    LeaseRecord,
    Membership,
)


def lease(holder: str, renewed: object = 0, duration: float = 15.0) -> LeaseRecord:
    """Make a lease of a holder."""
    return LeaseRecord(f"lease-{holder}", holder, str(renewed), duration)


def watch(
    membership: Membership, renewals: dict[str, float], start: float, end: float
) -> dict[float, tuple[str, ...]]:
    """Look each 2 s while holders renew each 5 s until their time; give the changes."""
    changes: dict[float, tuple[str, ...]] = {}
    tick = 0.5
    for step in range(int((end - start) / tick)):
        now = start + step * tick
        if now % 2 == 0:
            records = [lease(name, min(now, last) // 5) for name, last in renewals.items()]
            changed = membership.observe(records, now)
        else:
            changed = membership.advance(now)
        if changed:
            changes[now] = membership.members
    return changes


def test_before_any_look_we_are_alone() -> None:
    """`me` is always a member."""
    assert Membership("me").members == ("me",)


def test_the_first_sight_is_adopted_at_once() -> None:
    """Whoever starts doesn't take everything for the time of the debounce."""
    membership = Membership("me")
    assert membership.observe([lease("b"), lease("a")], 100.0)
    assert membership.members == ("a", "b", "me")


def test_a_newcomer_is_adopted_after_the_debounce() -> None:
    """A change counts once it has been the same for 2 s."""
    membership = Membership("me")
    membership.observe([], 0.0)
    assert not membership.observe([lease("a")], 1.0)
    assert not membership.advance(1.0 + DEBOUNCE_SECONDS - 0.1)
    assert membership.advance(1.0 + DEBOUNCE_SECONDS)
    assert membership.members == ("a", "me")


def test_a_flapping_member_does_not_hold_up_the_others_for_ever() -> None:
    """Whatever goes on changing, a change is adopted within `MAX_DEBOUNCE_SECONDS`."""
    membership = Membership("me")
    membership.observe([], 0.0)
    for step in range(1, 100):
        flapping = [lease("flap", step)] if step % 2 else []
        if membership.observe([lease("new", step), *flapping], float(step)):
            break
    assert step <= 1 + MAX_DEBOUNCE_SECONDS
    assert "new" in membership.members


def test_a_deleted_lease_is_gone_after_the_debounce() -> None:
    """A clean leave needs no expiry."""
    membership = Membership("me")
    membership.observe([lease("a")], 0.0)
    membership.observe([], 1.0)
    assert membership.advance(1.0 + DEBOUNCE_SECONDS)
    assert membership.members == ("me",)


def test_a_lease_that_was_given_up_is_no_member() -> None:
    """An empty holder is how other clients release a lease."""
    membership = Membership("me")
    membership.observe([LeaseRecord("lease-a", "", "0", 15.0)], 0.0)
    assert membership.members == ("me",)


@given(st.floats(20, 60))
def test_the_dead_are_gone_within_a_lease_and_a_debounce(death: float) -> None:
    """Whenever it dies, a member is out 17 s later, give or take a tick; the live one stays."""
    membership = Membership("me")
    changes = watch(membership, {"dead": death, "live": 1e9}, 0.0, death + 30)
    assert list(changes.values()) == [("dead", "live", "me"), ("live", "me")]
    gone = max(changes)
    assert death + 4 <= gone <= death + 15 + DEBOUNCE_SECONDS + 0.5


@pytest.mark.parametrize("skew", [-86_400, 86_400])
def test_the_clock_of_a_pod_does_not_matter(skew: int) -> None:
    """A renewal counts by when we saw it change, not by the time written in it."""
    membership = Membership("me")
    for step in range(30):
        membership.observe([lease("a", skew + step)], step * 2.0)
        assert membership.members == ("a", "me")


def test_time_without_a_look_makes_nobody_older() -> None:
    """After a minute without the API server all are still there, and have time to renew."""
    membership = Membership("me")
    membership.observe([lease("a", 0)], 0.0)
    assert not membership.advance(60.0)
    membership.observe([lease("a", 0)], 60.0)
    membership.observe([lease("a", 0)], 62.0)
    membership.observe([lease("a", 1)], 64.0)
    assert not membership.advance(70.0)
    assert membership.members == ("a", "me")


def test_only_the_long_expired_are_garbage() -> None:
    """A lease is garbage 10 minutes after it expired, by what we saw; ours never is."""
    membership = Membership("me")
    for now in range(0, 700, 2):
        membership.observe([lease("old"), lease("live", now), lease("me")], float(now))
        expected = ["lease-old"] if now > 615 else []
        assert membership.expired_for(600) == expected
