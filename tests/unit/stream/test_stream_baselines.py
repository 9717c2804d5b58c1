"""Robust statistics, held against their plain definitions."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.stream.baselines import GROWN, LARGE, USUAL, Baseline, Steps

SAMPLES = st.lists(st.integers(-50, 50) | st.integers(-(10**9), 10**9), min_size=1, max_size=60)


@given(SAMPLES, st.integers(1, 20))
def test_median_and_mad_are_those_of_the_newest_samples(samples: list[int], size: int) -> None:
    """However samples come and go, both are as sorting would give them."""
    baseline = Baseline(size)
    for sample in samples:
        baseline.add(sample)
    newest = samples[-size:]
    median = statistics.median(newest)
    assert baseline.samples() == newest
    assert baseline.median() == median
    deviations = sorted(abs(sample - median) for sample in newest)
    assert baseline.mad() == deviations[len(newest) // 2]


def test_an_empty_baseline_is_zero() -> None:
    """No sample is no spread, and no error."""
    assert (Baseline(3).median(), Baseline(3).mad(), len(Baseline(3))) == (0.0, 0.0, 0)


@given(SAMPLES)
def test_a_restored_baseline_is_the_same(samples: list[int]) -> None:
    """The samples alone restore it."""
    baseline = Baseline(10, samples)
    again = Baseline(10, baseline.samples())
    assert (again.median(), again.mad()) == (baseline.median(), baseline.mad())


@pytest.mark.parametrize(("steps", "share"), [(USUAL, 0.5), (LARGE, 0.99)])
def test_running_quantiles_come_to_rest_at_their_share(steps: Steps, share: float) -> None:
    """On log-normal sizes the mean share below the quantile is the wanted one, to 1 in 100."""
    rng, quantile, below = random.Random(7), 1.0, 0
    count = 40_000
    for number in range(1, count + 1):
        size = rng.lognormvariate(3, 1.4)
        if number > GROWN:
            below += size <= quantile
            quantile *= steps.up if size > quantile else steps.down
        else:
            quantile = steps.young(quantile, size, number)
    assert below / (count - GROWN) == pytest.approx(share, abs=0.01)


def test_a_whale_moves_a_quantile_as_little_as_any_large_trade() -> None:
    """Influence is by rank: a million times the size pulls no harder."""
    assert LARGE.young(10.0, 11.0, 600) == LARGE.young(10.0, 1e12, 600)
