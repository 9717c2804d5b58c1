"""A request becomes a matrix or a refusal that names what is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES_HASH
from cryptostream.predictor.errors import InputError
from cryptostream.predictor.validate import MAX_ROWS, matrix

Columns = dict[str, Any]


def columns(rows: int = 3) -> Columns:
    """Make valid columns in which each feature holds its own number."""
    return {name: [float(at)] * rows for at, name in enumerate(FEATURE_NAMES)}


def test_columns_are_ordered_by_name() -> None:
    """The matrix holds the features in the contract's order, however the sender ordered them."""
    reversed_columns = dict(reversed(columns().items()))
    table = matrix(FEATURES_HASH, reversed_columns)
    assert table.shape == (3, FEATURE_COUNT)
    assert table.dtype == np.float32
    assert table.flags.c_contiguous
    assert (table == np.arange(FEATURE_COUNT)).all()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
def test_finite_values_pass_unchanged(values: list[float]) -> None:
    """Every finite float32 reaches the model as it was sent."""
    table = matrix(FEATURES_HASH, {**columns(len(values)), "macd": values})
    assert table[:, FEATURE_NAMES.index("macd")].tolist() == values


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"macd": [1.0]}, "column macd has 1 rows, ofi_1s has 3"),
        ({"extra": [1.0] * 3}, "unknown extra"),
        ({"macd": [1.0, float("nan"), 1.0]}, "column macd is not finite at row 1"),
        ({"macd": [1.0, 1.0, float("inf")]}, "column macd is not finite at row 2"),
        ({"macd": [1e39, 1.0, 1.0]}, "column macd is not finite at row 0"),
        ({"macd": [None, 1.0, 1.0]}, "column macd is not finite at row 0"),
        ({"macd": ["up", 1.0, 1.0]}, "something else than numbers"),
        ({"macd": [[1.0], 1.0, 1.0]}, "something else than numbers"),
        ({"macd": [10**400, 1.0, 1.0]}, "something else than numbers"),
    ],
)
def test_bad_columns_are_refused(change: Columns, reason: str) -> None:
    """Wrong lengths, unknown names and values that are no finite float32 are named."""
    with pytest.raises(InputError, match=reason):
        matrix(FEATURES_HASH, {**columns(), **change})


@pytest.mark.parametrize("rows", [0, MAX_ROWS + 1])
def test_the_number_of_rows_is_bounded(rows: int) -> None:
    """An empty call and one above the bound are refused."""
    with pytest.raises(InputError, match=f"{rows} rows, must be 1 to {MAX_ROWS}"):
        matrix(FEATURES_HASH, columns(rows))


def test_missing_columns_are_named() -> None:
    """The first missing columns are named, the rest are counted."""
    with pytest.raises(InputError, match="ofi_1s, ofi_10s, ofi_60s, ofi_300s, rate_1s and 17 more"):
        matrix(FEATURES_HASH, {})


def test_another_feature_set_is_refused() -> None:
    """Another hash means another meaning of the columns, whatever their names."""
    with pytest.raises(InputError, match="another version of the features"):
        matrix("0" * 16, columns())
