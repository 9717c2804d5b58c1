"""From a request's columns or rows to the matrix a forest takes, or a clear refusal. Pure.

BentoML and scikit-learn would let a null pass as NaN and score it, and would answer a wrong
width with an opaque 500; so everything is checked here first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES_HASH
from cryptostream.predictor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Column = Sequence[float] | npt.NDArray[np.float64]

#: About 9 MB of JSON and 0.2 s of work; a micro-batch is far below it.
MAX_ROWS: Final = 20_000
_ROW_BYTES: Final = 4 * FEATURE_COUNT
_SHOWN_NAMES: Final = 5
_SHOWN_CHARS: Final = 80


def matrix(features_hash: str, columns: Mapping[str, Column]) -> npt.NDArray[np.float32]:
    """Give the (rows, features) float32 matrix, in the order of `FEATURE_NAMES`.

    Raises:
        InputError: naming the first thing that is wrong.
    """
    check_hash(features_hash)
    _check_names(columns)
    _check_lengths(columns)
    return _finite(columns)


def raw_matrix(features_hash: str, body: bytes) -> npt.NDArray[np.float32]:
    """Read rows of `FEATURE_COUNT` little-endian float32 each, in the order of `FEATURE_NAMES`.

    Raises:
        InputError: naming the first thing that is wrong.
    """
    check_hash(features_hash)
    if len(body) % _ROW_BYTES:
        raise InputError(
            f"the body has {len(body)} bytes, must be a multiple of {_ROW_BYTES}: a row is "
            f"{FEATURE_COUNT} float32"
        )
    rows = len(body) // _ROW_BYTES
    if not 1 <= rows <= MAX_ROWS:
        raise InputError(f"the body has {rows} rows, must be 1 to {MAX_ROWS}")
    table = np.frombuffer(body, dtype="<f4").reshape(rows, FEATURE_COUNT)
    if not np.isfinite(table).all():
        row, column = np.argwhere(~np.isfinite(table))[0]
        raise InputError(f"column {FEATURE_NAMES[column]} is not finite at row {row}")
    return table


def check_hash(features_hash: str) -> None:
    """Refuse rows of another feature list: their columns would mean something else."""
    if features_hash != FEATURES_HASH:
        raise InputError(
            f"features_hash was {features_hash[:_SHOWN_CHARS]!r}, this service scores "
            f"{FEATURES_HASH!r}; the sender runs another version of the features"
        )


def _check_names(columns: Mapping[str, Column]) -> None:
    missing = [name for name in FEATURE_NAMES if name not in columns]
    if missing:
        raise InputError(f"columns lack {_some(missing)}")
    if len(columns) != len(FEATURE_NAMES):
        raise InputError(f"columns hold unknown {_some(sorted(columns.keys() - FEATURE_NAMES))}")


def _check_lengths(columns: Mapping[str, Column]) -> None:
    rows = len(columns[FEATURE_NAMES[0]])
    for name in FEATURE_NAMES:
        if len(columns[name]) != rows:
            raise InputError(
                f"column {name} has {len(columns[name])} rows, {FEATURE_NAMES[0]} has {rows}"
            )
    if not 1 <= rows <= MAX_ROWS:
        raise InputError(f"the columns have {rows} rows, must be 1 to {MAX_ROWS}")


def _finite(columns: Mapping[str, Column]) -> npt.NDArray[np.float32]:
    """Convert; a value beyond float32 becomes infinite and is refused like one that was."""
    try:
        with np.errstate(over="ignore"):
            wide = np.array([columns[name] for name in FEATURE_NAMES], dtype=np.float64)
            table = wide.astype(np.float32)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"the columns hold something else than numbers: {error}") from error
    bad = np.argwhere(~np.isfinite(table))
    if len(bad):
        column, row = bad[0]
        raise InputError(f"column {FEATURE_NAMES[column]} is not finite at row {row}")
    return np.ascontiguousarray(table.T)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(name[:_SHOWN_CHARS] for name in names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return f"{shown} and {more} more" if more > 0 else shown
