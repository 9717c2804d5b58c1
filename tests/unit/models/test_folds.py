"""Splits keep the future out of the past, and a split that doesn't is refused."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.model_selection import KFold

from cryptostream.models.errors import LeakError
from cryptostream.models.folds import Fold, check_folds, newest_plan, split, walk_plan


@given(
    st.lists(st.integers(0, 5_000), min_size=30, max_size=200),
    st.integers(1, 5),
    st.integers(0, 20_000),
)
def test_no_fold_trains_on_its_future(steps: list[int], folds: int, embargo_ms: int) -> None:
    """Training rows are settled, plus the embargo, before the test; tests don't overlap."""
    time_ms = np.cumsum(np.array(steps, dtype=np.int64))
    settled_ms = time_ms + 10_000
    plan = walk_plan(time_ms, 10_000, folds=folds, embargo_ms=embargo_ms)
    found = split(plan, time_ms, settled_ms)
    check_folds(found, time_ms, settled_ms, embargo_ms)
    tested: list[int] = []
    for fold in found:
        if len(fold.test) and len(fold.train):
            assert settled_ms[fold.train].max() + embargo_ms < time_ms[fold.test].min()
        tested.extend(fold.test.tolist())
    assert tested == list(range(len(time_ms) - len(tested), len(time_ms)))


def test_shuffled_folds_are_refused() -> None:
    """Shuffled folds, whose training rows lie among the tested ones, are called a leak."""
    time_ms = np.arange(0, 1_000_000, 1_000, dtype=np.int64)
    folds = [
        Fold(train, test)
        for train, test in KFold(3, shuffle=True, random_state=0).split(time_ms.reshape(-1, 1))
    ]
    with pytest.raises(LeakError, match=r"fold 1: .* answered less than 10000 ms before"):
        check_folds(folds, time_ms, time_ms + 10_000, 10_000)


def test_a_row_answered_in_the_embargo_is_refused() -> None:
    """One training row whose answer comes within the embargo is enough."""
    time_ms = np.array([0, 5_000, 30_000], dtype=np.int64)
    fold = Fold(np.array([0, 1]), np.array([2]))
    check_folds([fold], time_ms, time_ms + 10_000, 14_999)
    with pytest.raises(LeakError, match="1 of 2 training rows"):
        check_folds([fold], time_ms, time_ms + 10_000, 15_000)


def test_the_newest_window_ends_with_the_last_row() -> None:
    """The newest plan has one test: from the given start, or the newest share, to the end."""
    time_ms = np.arange(100, dtype=np.int64) * 1_000
    assert newest_plan(time_ms, 5_000).tests == ((80_000, 99_001),)
    assert newest_plan(time_ms, 5_000, start_ms=42_000).tests == ((42_000, 99_001),)
