"""Scores equal their textbook definitions, and their intervals those of whole blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.models.dataset import Samples
from cryptostream.models.errors import TrainingError
from cryptostream.models.evaluation import judge
from cryptostream.models.intervals import BLOCK_MS, Blocks, auc, block_length_ms
from cryptostream.models.labels import UNKNOWN
from cryptostream.models.scores import calibration_error, reliability, score

if TYPE_CHECKING:
    from cryptostream.models.labels import Labels
    from cryptostream.models.trades import Floats

answers = st.lists(
    st.tuples(st.integers(0, 1), st.sampled_from([0.1, 0.3, 0.5, 0.7, 0.9])), min_size=2
)
HORIZON_MS = 10_000


def samples_of(target: Labels, step_ms: int = 5_000) -> Samples:
    """Make samples of one symbol with the given answers, one each `step_ms`."""
    rows = len(target)
    move = np.select([target == 1, target == 0], [2.0, -2.0], 0.0).astype(np.float32)
    time_ms = np.arange(rows, dtype=np.int64) * step_ms
    return Samples(
        symbols=("BTCUSDT",),
        horizon_ms=HORIZON_MS,
        features=np.zeros((rows, FEATURE_COUNT), dtype=np.float32),
        target=target,
        settled_ms=time_ms + HORIZON_MS,
        move_bps=move,
        tick=np.ones(rows, dtype=np.int8),
        side=np.ones(rows, dtype=np.int8),
        time_ms=time_ms,
        symbol=np.zeros(rows, dtype=np.int16),
    )


def sample(seed: int, rows: int = 2_000, slope: float = 0.0) -> tuple[Samples, Floats]:
    """Draw answers that follow their probabilities by `slope`."""
    rng = np.random.default_rng(seed)
    p_up = rng.uniform(0.3, 0.7, rows)
    return samples_of((rng.random(rows) < 0.5 + slope * (p_up - 0.5)).astype(np.int8)), p_up


def blocks_of(samples: Samples, seed: int = 0) -> Blocks:
    """Cut the samples into blocks."""
    return Blocks(samples.time_ms, HORIZON_MS, seed)


@settings(deadline=None)  # the first example pays for scikit-learn's import
@given(answers)
def test_auc_equals_scikit_learns(rows: list[tuple[int, float]]) -> None:
    """The AUC, with ties, equals the textbook's."""
    target = np.array([row[0] for row in rows], dtype=np.int8)
    value = np.array([row[1] for row in rows])
    assume(0 < target.sum() < len(target))
    assert auc(target, value) == pytest.approx(roc_auc_score(target, value), abs=1e-12)


def test_scores_equal_their_definitions() -> None:
    """Log loss, skill, Brier and accuracies are what their names say."""
    samples, p_up = sample(1, slope=1.0)
    target = samples.target
    found = score(samples, p_up, blocks_of(samples))
    base = np.full(len(target), target.mean())
    assert found.auc.value == pytest.approx(roc_auc_score(target, p_up))
    assert found.log_loss.value == pytest.approx(log_loss(target, p_up))
    assert found.skill.value == pytest.approx(1 - log_loss(target, p_up) / log_loss(target, base))
    assert found.brier.value == pytest.approx(brier_score_loss(target, p_up))
    assert found.base_brier == pytest.approx(brier_score_loss(target, base))
    assert found.accuracy.value == pytest.approx(np.mean((p_up > 0.5) == target))
    assert found.majority_accuracy == max(target.mean(), 1 - target.mean())
    top = p_up >= np.quantile(p_up, 0.9)
    assert found.lift.value == pytest.approx(target[top].mean() / target.mean())


def test_ties_count_in_the_edge_only() -> None:
    """Ties have no answer, but a trade on one gains nothing: the edge says so."""
    decided, p_up = sample(1, slope=1.0)
    target = decided.target.copy()
    target[::2] = UNKNOWN
    samples = samples_of(target)
    found = score(samples, p_up, blocks_of(samples))
    assert found.rows == 1_000
    assert found.log_loss.value == pytest.approx(log_loss(target[1::2], p_up[1::2]))
    sure = np.abs(p_up - 0.5)
    top = sure >= np.quantile(sure, 0.9)
    gained = (np.sign(p_up - 0.5) * samples.move_bps)[top]
    assert found.edge_bps.value == pytest.approx(gained.mean())
    assert np.count_nonzero(gained == 0) > 50


def test_intervals_hold_the_value_and_repeat() -> None:
    """Each interval holds its value, and the same seed gives the same interval."""
    samples, p_up = sample(2, slope=1.0)
    first = score(samples, p_up, blocks_of(samples, 5))
    assert first == score(samples, p_up, blocks_of(samples, 5))
    for estimate in (first.auc, first.skill, first.log_loss, first.brier, first.edge_bps):
        assert estimate.low < estimate.value < estimate.high


def test_an_edge_needs_both_intervals_above_chance() -> None:
    """Random answers show no edge, answers that follow the probabilities do."""
    for slope, edge in ((0.0, False), (1.0, True)):
        samples, p_up = sample(3, slope=slope)
        assert score(samples, p_up, blocks_of(samples)).has_edge is edge


def test_few_blocks_never_show_an_edge() -> None:
    """On a sample of a few blocks no edge is claimed, however good the score."""
    rng = np.random.default_rng(4)
    p_up = rng.uniform(0.3, 0.7, 400)
    samples = samples_of((rng.random(400) < 0.5 + 1.5 * (p_up - 0.5)).astype(np.int8), step_ms=100)
    found = score(samples, p_up, blocks_of(samples))
    assert found.auc.low > 0.5
    assert not found.has_edge


def test_blocks_keep_dependent_rows_together() -> None:
    """Rows repeated within a block narrow no interval: it stays as wide as the blocks'."""
    samples, p_up = sample(5, rows=400)
    once = score(samples, p_up, blocks_of(samples)).auc
    rows = np.repeat(np.arange(400), 10)
    tenfold = samples.take(rows)
    again = score(tenfold, p_up[rows], blocks_of(tenfold)).auc
    assert again.high - again.low == pytest.approx(once.high - once.low, rel=1e-9)


def test_one_answer_only_is_refused() -> None:
    """A test with one class has no AUC and says so."""
    samples = samples_of(np.ones(5, dtype=np.int8))
    with pytest.raises(TrainingError, match="same answer"):
        score(samples, np.full(5, 0.5), blocks_of(samples))


@pytest.mark.parametrize(
    ("span_ms", "block_ms"), [(86_400_000, BLOCK_MS), (2_000_000, 100_000), (300_000, 50_000)]
)
def test_the_block_shrinks_with_a_short_sample(span_ms: int, block_ms: int) -> None:
    """Blocks last 5 minutes, a twentieth of a short sample, and never below 5 horizons."""
    assert block_length_ms(np.array([0, span_ms]), HORIZON_MS) == block_ms


def test_reliability_compares_said_with_seen() -> None:
    """What is said truly lies on the diagonal; what is said boldly has an error as large."""
    rng = np.random.default_rng(6)
    truth = rng.uniform(0.2, 0.8, 50_000)
    target = (rng.random(50_000) < truth).astype(np.int8)
    assert calibration_error(target, truth) < 0.01
    assert calibration_error(target, np.clip(truth + 0.1, 0, 1)) == pytest.approx(0.1, abs=0.01)
    assert sum(one.rows for one in reliability(target, truth)) == 50_000


def test_the_gain_is_paired() -> None:
    """A model against itself gains nothing with no doubt; one that knows more gains surely."""
    samples, p_up = sample(7, slope=1.0)
    said = {"champion": np.full(len(samples), 0.5), "challenger": p_up}
    report = judge(samples, np.zeros(len(samples), dtype=np.int8), said, seed=0)
    assert report.gain("champion", "champion") == (0.0, 0.0, 0.0)
    assert report.gain("challenger", "champion").low > 0
    assert report.gain("champion", "challenger").high < 0


def test_pairs_across_tests_dont_count() -> None:
    """A test that went up raises what the next model says; that alone is no lack of skill."""
    target = np.repeat(np.array([1, 0, 0, 1], dtype=np.int8), [300, 200, 300, 200])
    samples = samples_of(target)
    fold = np.repeat(np.array([0, 1], dtype=np.int8), 500)
    said = np.where(fold == 0, 0.4, 0.6)
    assert auc(target, said) < 0.45
    report = judge(samples, fold, {"constant in each test": said}, seed=0)
    assert report.scores["constant in each test"].auc == (0.5, 0.5, 0.5)
