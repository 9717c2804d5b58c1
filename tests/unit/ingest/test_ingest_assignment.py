"""Assignment: enough owners, even loads, small moves, and the same answer everywhere."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.assignment import (
    MOVED_SHARE_ABOVE_IDEAL,
    assign,
    loads_of,
    owned_by,
)

NAMES = st.text("ABCDEFGHIJ0123456789", min_size=1, max_size=8)
SYMBOLS = st.lists(NAMES, unique=True, max_size=40)
MEMBERS = st.lists(NAMES, unique=True, min_size=1, max_size=9)
WEIGHTS = st.dictionaries(NAMES, st.floats(2.0**-6, 2.0**14), max_size=40)
REPLICAS = st.integers(1, 4)
SEEDS = range(5)


def market(seed: int) -> tuple[list[str], dict[str, float]]:
    """Make 430 symbols whose rates follow Zipf(1), the busiest with 50 trades per second."""
    rng = Random(seed)
    symbols = [f"C{rng.getrandbits(32):x}N{rank}USDT" for rank in range(1, 431)]
    return symbols, {symbol: 50 / rank for rank, symbol in enumerate(symbols, 1)}


def pods(seed: int, count: int) -> list[str]:
    """Make names as a Deployment does."""
    rng = Random(seed + 1000)
    return [f"ingest-7c9d8b6f5-{rng.getrandbits(25):x}" for _ in range(count)]


@given(SYMBOLS, MEMBERS, WEIGHTS, REPLICAS)
def test_every_symbol_has_distinct_owners(
    symbols: list[str], members: list[str], weights: dict[str, float], replicas: int
) -> None:
    """Each symbol has min(replicas, members) owners, all distinct and all members."""
    owners = assign(symbols, members, weights, replicas=replicas)
    assert set(owners) == set(symbols)
    for names in owners.values():
        assert len(names) == len(set(names)) == min(replicas, len(members))
        assert set(names) <= set(members)


@given(SYMBOLS, MEMBERS, WEIGHTS, REPLICAS)
def test_no_load_exceeds_the_stated_bound(
    symbols: list[str], members: list[str], weights: dict[str, float], replicas: int
) -> None:
    """The bound of the docstring holds for any weights."""
    owners = assign(symbols, members, weights, replicas=replicas)
    loads = loads_of(owners, members, weights)
    mean = sum(loads.values()) / len(members)
    wanted = min(replicas, len(members))
    heaviest = max((weights.get(symbol, 1.0) for symbol in symbols), default=0.0)
    bound = max(1.1 * mean, len(members) / (len(members) - wanted + 1) * mean + heaviest)
    assert max(loads.values()) <= bound * (1 + 1e-9)


@given(SYMBOLS, MEMBERS, WEIGHTS, REPLICAS, st.randoms(use_true_random=False))
def test_the_order_of_names_does_not_matter(
    symbols: list[str],
    members: list[str],
    weights: dict[str, float],
    replicas: int,
    rng: Random,
) -> None:
    """Every instance gets the same answer, however it came by the names."""
    before = assign(symbols, members, weights, replicas=replicas)
    mixed = rng.sample(symbols, len(symbols)), rng.sample(members, len(members))
    assert assign(*mixed, weights, replicas=replicas) == before
    assert assign([*symbols, *symbols], [*members, *members], weights, replicas=replicas) == before


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("count", range(2, 9))
def test_zipf_loads_are_even(count: int, replicas: int) -> None:
    """430 symbols with Zipf(1) rates: no member has more than 1.25 times the mean."""
    for seed in SEEDS:
        symbols, weights = market(seed)
        members = pods(seed, count)
        loads = loads_of(assign(symbols, members, weights, replicas=replicas), members, weights)
        assert max(loads.values()) <= 1.25 * sum(loads.values()) / count, f"seed {seed}"


@pytest.mark.parametrize("replicas", [1, 2])
@pytest.mark.parametrize("count", range(2, 9))
def test_a_join_or_a_leave_moves_little(count: int, replicas: int) -> None:
    """The share of ownerships that change hands stays within the documented bound."""
    for seed in SEEDS:
        symbols, weights = market(seed)
        members = pods(seed, count)
        many = assign(symbols, members, weights, replicas=replicas)
        few = assign(symbols, members[:-1], weights, replicas=min(replicas, count - 1))
        joined = sum(len(set(many[name]) - set(few[name])) for name in symbols)
        left = sum(len(set(few[name]) - set(many[name])) for name in symbols)
        bound = (1 / count + MOVED_SHARE_ABOVE_IDEAL[replicas]) * len(symbols) * replicas
        assert max(joined, left) <= bound, f"seed {seed}"


def test_a_symbol_above_the_mean_stands_alone() -> None:
    """What can't be split burdens its owner, who gets nothing else."""
    owners = assign(["BIG", "a", "b", "c"], ["x", "y", "z"], {"BIG": 100.0}, replicas=1)
    (owner,) = owners["BIG"]
    assert owned_by(owner, owners) == ["BIG"]


def test_new_symbols_hardly_move_others() -> None:
    """Five quiet listings move no more than 1 % of the other ownerships."""
    symbols, weights = market(1)
    members = pods(1, 4)
    before = assign(symbols, members, weights)
    after = assign(
        [*symbols, *(f"NEW{n}USDT" for n in range(5))],
        members,
        weights | {f"NEW{n}USDT": 0.1 for n in range(5)},
    )
    assert sum(set(after[name]) != set(before[name]) for name in symbols) <= 8


def test_the_answer_is_the_same_in_every_process() -> None:
    """Names alone decide, not Python's seeded hash."""
    code = (
        "from cryptostream.ingest.assignment import assign;"
        "print(assign([f'S{n}' for n in range(20)], ['a', 'b', 'c'], {'S3': 9.0}))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    assert assign(["BTCUSDT"], ["a", "b", "c"], {}) == {"BTCUSDT": ("c", "a")}


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_is_refused(weight: float) -> None:
    """An error instead of an assignment that is skewed without a word."""
    with pytest.raises(ValueError, match="BTCUSDT"):
        assign(["BTCUSDT"], ["a"], {"BTCUSDT": weight})


def test_no_owner_at_all_is_refused() -> None:
    """Zero replicas would read nothing."""
    with pytest.raises(ValueError, match="at least 1"):
        assign(["BTCUSDT"], ["a"], {}, replicas=0)


def test_without_members_nobody_owns() -> None:
    """An empty roster gives empty owners rather than an error."""
    assert assign(["BTCUSDT"], [], {}) == {"BTCUSDT": ()}
