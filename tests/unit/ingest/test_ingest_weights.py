"""Weights: even enough to balance by, steady enough not to move symbols about."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.messages import Coverage
from cryptostream.ingest.assignment import assign, loads_of
from cryptostream.ingest.weights import MAX_WEIGHT, MIN_WEIGHT, weights


def told(rates: dict[str, float]) -> Coverage:
    """Make a report."""
    return Coverage("bybit", "spot", "pod-a", 1_000, dict.fromkeys(rates, 0), rates)


RATES = st.dictionaries(st.sampled_from("ABCDEF"), st.floats(0, 1e6))


@given(RATES, RATES)
def test_weights_are_bounded_powers_of_two(
    first: dict[str, float], second: dict[str, float]
) -> None:
    """Whatever is told, a weight can be assigned by."""
    found = weights({"a": told(first), "b": told(second)})
    assert set(found) == set(first) | set(second)
    for weight in found.values():
        assert MIN_WEIGHT <= weight <= MAX_WEIGHT
        assert math.log2(weight).is_integer()


@given(RATES)
def test_weights_settle(rates: dict[str, float]) -> None:
    """The same reports again change nothing, nor does their order."""
    reports = {"a": told(rates), "b": told({"A": 1.0})}
    first = weights(reports)
    assert weights(reports, first) == first
    assert weights(dict(reversed(reports.items()))) == first


def test_without_reports_nothing_is_weighed() -> None:
    """All symbols then weigh the same."""
    assert weights({}) == {}


def test_the_highest_rate_told_counts() -> None:
    """Whoever has just begun to read a symbol doesn't make it light."""
    assert weights({"old": told({"BTC": 32.0}), "new": told({"BTC": 0.0})}) == {"BTC": 32.0}


def test_a_symbol_that_nobody_tells_of_keeps_its_weight() -> None:
    """The death of its reader moves no other symbol."""
    assert weights({"a": told({"ETH": 8.0})}, {"BTC": 32.0}) == {"BTC": 32.0, "ETH": 8.0}


@pytest.mark.parametrize(
    ("rate", "weight"), [(16.0, 16.0), (9.6, 16.0), (26.0, 16.0), (9.0, 8.0), (28.0, 32.0)]
)
def test_a_weight_holds_until_its_rate_has_clearly_left(rate: float, weight: float) -> None:
    """A rate between two powers doesn't toggle: 0.75 octaves either way change nothing."""
    assert weights({"a": told({"BTC": rate})}, {"BTC": 16.0}) == {"BTC": weight}


@pytest.mark.parametrize("count", range(2, 9))
def test_rounded_weights_balance_true_rates(count: int) -> None:
    """By two owners each, the true Zipf(1) load stays within 1.4 times the mean."""
    members = [f"ingest-{index}" for index in range(count)]
    for seed in range(5):
        scale = 2 ** Random(seed).uniform(4, 6)
        rates = {f"C{rank}USDT": scale / rank for rank in range(1, 431)}
        owners = assign([*rates], members, weights({"a": told(rates)}))
        loads = loads_of(owners, members, rates)
        assert max(loads.values()) <= 1.4 * sum(loads.values()) / count, f"seed {seed}"
