"""A JSON body becomes a matrix or a refusal that names what is wrong."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES_HASH
from cryptostream.predictor.decode import columns_matrix
from cryptostream.predictor.errors import InputError
from cryptostream.predictor.validate import MAX_ROWS, raw_matrix

FINITE = st.floats(width=32, allow_nan=False, allow_infinity=False)
TABLES = arrays.arrays(
    np.float32, st.tuples(st.integers(1, 20), st.just(FEATURE_COUNT)), elements=FINITE
)


def body(table: Any, **changes: Any) -> bytes:
    """Write a request's body."""
    columns = {name: np.asarray(table)[:, at].tolist() for at, name in enumerate(FEATURE_NAMES)}
    return json.dumps({"features_hash": FEATURES_HASH, "columns": columns, **changes}).encode()


@given(TABLES)
def test_json_and_raw_give_the_very_same_matrix(table: np.ndarray[Any, Any]) -> None:
    """Both ways into the service read every finite float32 as it was sent."""
    from_json = columns_matrix(body(table))
    from_raw = raw_matrix(FEATURES_HASH, table.astype("<f4").tobytes())
    assert from_json.dtype == from_raw.dtype == np.float32
    assert from_json.tobytes() == from_raw.tobytes() == table.astype("<f4").tobytes()


@given(st.binary(max_size=300) | TABLES.map(body).flatmap(
    lambda whole: st.integers(0, len(whole)).map(lambda end: whole[:end])
))  # fmt: skip
def test_any_bytes_are_a_matrix_or_a_refusal(raw: bytes) -> None:
    """Nothing but `InputError` comes out of a broken body."""
    for read in (columns_matrix, lambda content: raw_matrix(FEATURES_HASH, content)):
        try:
            assert np.isfinite(read(raw)).all()
        except InputError:
            continue


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"a": "\xff"}', "Invalid JSON"),
        (b"[]", "must be an object"),
        (b"1", "must be an object"),
        (b"{}", "Field required"),
        (b'{"features_hash": 1, "columns": {}}', "must be a string"),
        (b'{"features_hash": "x", "columns": {}, "more": 1}', "nothing else"),
        (b'{"features_hash": "x", "columns": {}}', "another version of the features"),
        (b'{"features_hash\\u0000": "x", "columns": {}}', "Field required"),
        (b'{"features_hash": "x", "features_hash": "y"}', "Field required"),
    ],
)
def test_what_is_no_request_is_refused(content: bytes, reason: str) -> None:
    """A body of another shape is refused with the shape that is wanted."""
    with pytest.raises(InputError, match=reason):
        columns_matrix(content)


def test_refusals_leave_the_next_call_alone() -> None:
    """A refusal that is still held, with all it knows of its body, doesn't spoil another's."""
    table = np.ones((2, FEATURE_COUNT), np.float32)
    refusals = []
    for bad in (b'{"features_hash": "x", "columns": {}}', body(table, columns={"macd": [[1]]})):
        with pytest.raises(InputError) as refusal:
            columns_matrix(bad)
        refusals.append(refusal)
        assert (columns_matrix(body(table)) == table).all()


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("null", "no valid number"),
        ("true", "no valid number"),
        ('"1"', "no valid number"),
        ("{}", "no valid number"),
        ("[1]", "list within a list"),
        ("NaN", "Invalid JSON"),
        ("Infinity", "Invalid JSON"),
        ("1e400", "Invalid JSON"),
        ("9" * 30, "Invalid JSON"),
        ("1e39", "not finite at row 0"),
        ("", "has 0 rows"),
        ("1, 2", "has 2 rows"),
        ('0], "macd\\u0000": [0', "unknown macd\\x00"),
        ('0], "x\\u0000": [0', "nothing else"),
        ('0], "macd": [0', "comes twice"),
    ],
)
def test_what_is_no_number_is_refused(literal: str, reason: str) -> None:
    """A column holds finite numbers of float32's range and nothing else."""
    columns = ", ".join(f'"{name}": [{literal if name == "macd" else 0}]' for name in FEATURE_NAMES)
    content = f'{{"features_hash": "{FEATURES_HASH}", "columns": {{{columns}}}}}'
    with pytest.raises(InputError, match=reason):
        columns_matrix(content.encode())


@pytest.mark.parametrize(
    ("rows", "cut", "reason"),
    [
        (0, 0, "0 rows"),
        (1, 1, "multiple of 88"),
        (1, 4, "multiple of 88"),
        (MAX_ROWS + 1, 0, "must be 1 to"),
    ],
)
def test_raw_bodies_of_another_width_are_refused(rows: int, cut: int, reason: str) -> None:
    """A body must hold whole rows, at least one and at most the bound."""
    content = np.zeros((rows, FEATURE_COUNT), "<f4").tobytes()
    with pytest.raises(InputError, match=reason):
        raw_matrix(FEATURES_HASH, content[: len(content) - cut])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
def test_raw_bodies_must_be_finite(bad: float) -> None:
    """A value that isn't finite is named by column and row."""
    table = np.zeros((3, FEATURE_COUNT), "<f4")
    table[1, FEATURE_NAMES.index("macd")] = bad
    with pytest.raises(InputError, match="column macd is not finite at row 1"):
        raw_matrix(FEATURES_HASH, table.tobytes())


def test_raw_rows_of_other_features_are_refused() -> None:
    """Without the right hash nobody knows what the floats mean."""
    content = np.zeros((1, FEATURE_COUNT), "<f4").tobytes()
    with pytest.raises(InputError, match="another version of the features"):
        raw_matrix("", content)
