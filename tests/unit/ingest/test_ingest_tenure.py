"""Tenure: pods that join, die and are cut off, on a simulated clock."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.leases import Api, View

from cryptostream.contracts.errors import Failure
from cryptostream.ingest.assignment import assign
from cryptostream.ingest.membership import MAX_DEBOUNCE_SECONDS
from cryptostream.ingest.tenure import GARBAGE_SECONDS, LEASE_SECONDS, Tenure

SYMBOLS = [f"COIN{number}USDT" for number in range(12)]
TICK = 0.5


class Fleet:
    """Pods around one API server, driven by hand."""

    def __init__(self, seed: int = 0) -> None:
        self.api = Api()
        self.now = 0.0
        self.pods: dict[str, Tenure] = {}
        self.failed: list[str] = []
        self._seed = seed

    def start(self, name: str) -> Tenure:
        """Let a pod come up."""
        rng = Random(f"{self._seed} {name}")
        self.pods[name] = Tenure(View(self.api, name), name, rng, self.failed.append)
        return self.pods[name]

    def kill(self, name: str) -> None:
        """Let a pod vanish without a word."""
        del self.pods[name]

    def run(self, seconds: float) -> None:
        """Let time pass."""
        for _ in range(int(seconds / TICK)):
            self.now += TICK
            for pod in list(self.pods.values()):
                pod.tick(self.now)

    def unowned(self) -> set[str]:
        """Name the symbols that no living pod takes for its own."""
        taken = {
            symbol
            for name, pod in self.pods.items()
            for symbol, owners in assign(SYMBOLS, pod.members, pod.weights).items()
            if name in owners
        }
        return set(SYMBOLS) - taken

    def views(self) -> set[tuple[str, ...]]:
        """Give the different opinions on who is there."""
        return {pod.members for pod in self.pods.values()}


def fleet_of(*names: str, seed: int = 0) -> Fleet:
    """Start pods and let them find each other."""
    fleet = Fleet(seed)
    for name in names:
        fleet.start(name)
    fleet.run(20)
    assert fleet.views() == {tuple(sorted(names))}
    return fleet


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["start", "kill", "cut", "heal", "leave"]),
        st.sampled_from("abcdef"),
        st.floats(0, 25),
    ),
    max_size=12,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.integers(0, 1000))
def test_every_symbol_has_an_owner_in_time(events: list[tuple[str, str, float]], seed: int) -> None:
    """Whatever happens, no symbol is without a living owner for longer than lease + debounce.

    The API server answers somebody at any time: pods that are all cut off can't know of a death.
    """
    fleet = fleet_of("a", "b", "c", seed=seed)
    bound = LEASE_SECONDS + MAX_DEBOUNCE_SECONDS + 2 * TICK
    unowned_since: dict[str, float] = {}
    for event, name, seconds in [*events, ("heal", "", 40.0)]:
        apply(fleet, event, name)
        for _ in range(int(seconds / TICK)):
            fleet.run(TICK)
            unowned = fleet.unowned()
            unowned_since = {name: unowned_since.get(name, fleet.now) for name in unowned}
            for symbol, since in unowned_since.items():
                assert fleet.now - since <= bound, f"{symbol} since {since}"
    assert fleet.views() == {tuple(sorted(fleet.pods))}


def apply(fleet: Fleet, event: str, name: str) -> None:
    """Do one thing to the fleet, so that one pod at least lives and reaches the API server."""
    fit = set(fleet.pods) - fleet.api.cut_off - {name}
    if event == "start" and name not in fleet.pods:
        fleet.start(name)
    elif event in {"kill", "leave"} and name in fleet.pods and fit:
        if event == "leave":
            fleet.pods[name].release()
        fleet.kill(name)
    elif event == "cut" and fit:
        fleet.api.cut_off.add(name)
    elif event == "heal":
        fleet.api.cut_off.clear()


@pytest.mark.parametrize("seed", range(5))
def test_one_death_leaves_no_symbol_without_an_owner(seed: int) -> None:
    """With two owners each, the standby reads on all the time."""
    fleet = fleet_of("a", "b", "c", "d", seed=seed)
    fleet.kill("b")
    for _ in range(60):
        fleet.run(TICK)
        assert not fleet.unowned()
    assert fleet.views() == {("a", "c", "d")}


@pytest.mark.parametrize("seed", range(5))
def test_scaling_leaves_no_symbol_without_an_owner_for_long(seed: int) -> None:
    """1 -> 4 -> 2 pods, by clean leaves: opinions meet within seconds."""
    fleet = fleet_of("a", seed=seed)
    for name in "bcd":
        fleet.start(name)
    fleet.run(10)
    assert fleet.views() == {("a", "b", "c", "d")}
    for name in "ac":
        fleet.pods[name].release()
        fleet.kill(name)
    fleet.run(6)
    assert fleet.views() == {("b", "d")}
    assert not fleet.unowned()


def test_an_outage_of_the_api_server_changes_nothing() -> None:
    """Nobody is taken for dead while nobody can be seen, nor when all are back."""
    fleet = fleet_of("a", "b", "c")
    fleet.api.cut_off = {"a", "b", "c"}
    for _ in range(600):
        fleet.run(TICK)
        assert fleet.views() == {("a", "b", "c")}
    fleet.api.cut_off.clear()
    for _ in range(120):
        fleet.run(TICK)
        assert fleet.views() == {("a", "b", "c")}


def test_a_pod_that_can_not_renew_keeps_its_members() -> None:
    """The others take over; it reads on with what it knew."""
    fleet = fleet_of("a", "b", "c")
    fleet.api.cut_off = {"b"}
    fleet.run(30)
    assert fleet.pods["a"].members == fleet.pods["c"].members == ("a", "c")
    assert fleet.pods["b"].members == ("a", "b", "c")
    assert {"renew", "look"} <= set(fleet.failed)
    assert fleet.pods["b"].failures["renew"].failure is Failure.TRANSIENT


def test_calls_are_few() -> None:
    """A pod renews each 5 s and looks each 2 s, so the API server hardly notices."""
    fleet = fleet_of("a")
    fleet.api.calls.clear()
    fleet.run(100)
    verbs = [verb for verb, _ in fleet.api.calls]
    assert 17 <= verbs.count("renew") <= 23
    assert 38 <= verbs.count("look") <= 58


def test_all_weigh_the_same() -> None:
    """What the first member proposes comes into force everywhere; others' proposals don't."""
    fleet = fleet_of("a", "b", "c")
    fleet.pods["a"].propose({"BTC": 8.0})
    fleet.pods["b"].propose({"BTC": 2.0})
    fleet.run(10)
    assert [pod.weights for pod in fleet.pods.values()] == [{"BTC": 8.0}] * 3


def test_weights_outlive_their_publisher() -> None:
    """Whoever becomes the first goes on from the weights in force, by death or by arrival."""
    fleet = fleet_of("b", "c")
    fleet.pods["b"].propose({"BTC": 8.0})
    fleet.run(10)
    fleet.kill("b")
    for event in ("death", "arrival"):
        if event == "arrival":
            fleet.start("a")
        for _ in range(80):
            fleet.run(TICK)
            assert fleet.pods["c"].weights == {"BTC": 8.0}
    assert fleet.pods["a"].weights == {"BTC": 8.0}
    holders = [lease.record.holder for lease in fleet.api.leases.values() if lease.weights]
    assert set(holders) - {"b"} == {"a"}


@pytest.mark.parametrize("text", ["{", '{"BTC":"x"}', "[" * 5000, '{"BTC":-1.0,"ETH":0}', "[]"])
def test_bad_weights_are_left_out(text: str) -> None:
    """What can't be assigned by never comes into force."""
    fleet = fleet_of("b")
    fleet.api.put("a", 15.0, text)
    fleet.run(5)
    assert fleet.pods["b"].weights == {}


def test_weights_too_long_for_a_lease_are_not_published() -> None:
    """The lease matters more than its annotation."""
    fleet = fleet_of("a")
    fleet.pods["a"].propose({f"{number:040}": 1.0 for number in range(5000)})
    fleet.run(10)
    assert fleet.pods["a"].weights == {}
    assert fleet.views() == {("a",)}


def test_garbage_is_collected_by_the_first_member() -> None:
    """Leases of pods long dead go away, and only those."""
    fleet = fleet_of("a", "b")
    fleet.start("x")
    fleet.run(10)
    fleet.kill("x")
    fleet.run(GARBAGE_SECONDS)
    assert "lease-x" in fleet.api.leases
    fleet.run(100)
    assert set(fleet.api.leases) == {"lease-a", "lease-b"}
    assert {caller for verb, caller in fleet.api.calls if verb == "collect"} == {"a"}


def test_after_the_release_nothing_is_renewed() -> None:
    """A tick that comes late does not bring the lease back."""
    fleet = fleet_of("a")
    fleet.pods["a"].release()
    fleet.run(20)
    assert fleet.api.leases == {}
