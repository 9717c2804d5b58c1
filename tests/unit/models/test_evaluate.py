"""Scores equal their textbook definitions, and splits keep the future out of the past."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from cryptostream.models.errors import TrainingError
from cryptostream.models.evaluate import (
    BLOCK_MS,
    auc,
    block_length_ms,
    score,
    walk_forward,
)

if TYPE_CHECKING:
    from cryptostream.models.evaluate import Targets
    from cryptostream.models.trades import Floats, Ints

answers = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])), min_size=2
)


def sample(seed: int, rows: int = 2_000, slope: float = 0.0) -> tuple[Targets, Floats, Ints]:
    """Draw answers that follow their probabilities by `slope`, one each 5 s."""
    rng = np.random.default_rng(seed)
    p_up = rng.uniform(0.3, 0.7, rows)
    target = (rng.random(rows) < 0.5 + slope * (p_up - 0.5)).astype(np.int8)
    return target, p_up, np.arange(rows, dtype=np.int64) * 5_000


@given(answers)
def test_auc_equals_scikit_learns(rows: list[tuple[int, float]]) -> None:
    """The AUC, with ties, equals the textbook's."""
    target = np.array([row[0] for row in rows], dtype=np.int8)
    value = np.array([row[1] for row in rows])
    assume(0 < target.sum() < len(target))
    assert auc(target, value) == pytest.approx(roc_auc_score(target, value), abs=1e-12)


def test_scores_equal_their_definitions() -> None:
    """Log loss, skill, Brier and accuracies are what their names say."""
    target, p_up, time_ms = sample(1, slope=1.0)
    found = score(target, p_up, time_ms, horizon_ms=10_000, seed=0)
    base = np.full(len(target), target.mean())
    assert found.log_loss == pytest.approx(log_loss(target, p_up))
    assert found.skill.value == pytest.approx(1 - log_loss(target, p_up) / log_loss(target, base))
    assert found.brier == pytest.approx(brier_score_loss(target, p_up))
    assert found.accuracy == pytest.approx(np.mean((p_up > 0.5) == target))
    assert found.majority_accuracy == max(target.mean(), 1 - target.mean())


def test_intervals_hold_the_value_and_repeat() -> None:
    """Each interval holds its value, and the same seed gives the same interval."""
    target, p_up, time_ms = sample(2, slope=1.0)
    first = score(target, p_up, time_ms, horizon_ms=10_000, seed=5)
    assert first == score(target, p_up, time_ms, horizon_ms=10_000, seed=5)
    for estimate in (first.auc, first.skill):
        assert estimate.low < estimate.value < estimate.high


def test_an_edge_needs_both_intervals_above_chance() -> None:
    """Random answers show no edge, answers that follow the probabilities do."""
    assert not score(*sample(3), horizon_ms=10_000, seed=0).has_edge
    assert score(*sample(3, slope=1.0), horizon_ms=10_000, seed=0).has_edge


def test_few_blocks_never_show_an_edge() -> None:
    """On a sample of a few blocks no edge is claimed, however good the score."""
    target, p_up, time_ms = sample(4, rows=400, slope=1.5)
    found = score(target, p_up, time_ms // 50, horizon_ms=10_000, seed=0)
    assert found.auc.low > 0.5
    assert not found.has_edge


def test_blocks_keep_dependent_rows_together() -> None:
    """Rows repeated within a block widen no interval's claim: it stays as wide as the blocks'."""
    target, p_up, time_ms = sample(5, rows=400)
    time_ms = time_ms * 60
    once = score(target, p_up, time_ms, horizon_ms=10_000, seed=0).auc
    repeated = [np.repeat(column, 10) for column in (target, p_up, time_ms)]
    tenfold = score(*repeated, horizon_ms=10_000, seed=0).auc
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=1e-9)


def test_one_answer_only_is_refused() -> None:
    """A test with one class has no AUC and says so."""
    ones = np.ones(5, dtype=np.int8)
    with pytest.raises(TrainingError, match="same answer"):
        score(ones, np.full(5, 0.5), np.arange(5), horizon_ms=1, seed=0)


@pytest.mark.parametrize(
    ("span_ms", "block_ms"), [(86_400_000, BLOCK_MS), (2_000_000, 100_000), (300_000, 50_000)]
)
def test_the_block_shrinks_with_a_short_sample(span_ms: int, block_ms: int) -> None:
    """Blocks last 5 minutes, a twentieth of a short sample, and never below 5 horizons."""
    assert block_length_ms(np.array([0, span_ms]), 10_000) == block_ms


@given(
    st.lists(st.integers(0, 5_000), min_size=30, max_size=200),
    st.integers(1, 5),
    st.integers(0, 20_000),
)
def test_no_fold_trains_on_its_future(steps: list[int], folds: int, embargo_ms: int) -> None:
    """Training rows are settled, plus the embargo, before the test; tests don't overlap."""
    time_ms = np.cumsum(np.array(steps, dtype=np.int64))
    settled_ms = time_ms + 10_000
    tested: list[int] = []
    for fold in walk_forward(time_ms, settled_ms, folds=folds, embargo_ms=embargo_ms):
        if len(fold.test) and len(fold.train):
            assert settled_ms[fold.train].max() + embargo_ms < time_ms[fold.test].min()
        tested.extend(fold.test.tolist())
    assert tested == list(range(len(time_ms) - len(tested), len(time_ms)))
