"""The JSON body of a call, without a Python object per number. Pure but for a spare parser.

Four million digits become numbers once, in the parser's own buffers; lists of floats would cost
twice the time of the forest itself.
"""

from __future__ import annotations

from collections import deque
from typing import Final

import numpy as np
import numpy.typing as npt
import simdjson

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.predictor.errors import InputError
from cryptostream.predictor.validate import check_hash, matrix

_SHOWN_CHARS: Final = 80
_BRACKET: Final = ord("[")
#: A parser keeps its buffers; fresh ones of a large body cost a third of reading it.
_spare: Final[deque[simdjson.Parser]] = deque(maxlen=1)
_SHAPE: Final = '{"features_hash": str, "columns": {name: [number, ...], ...}}'


def columns_matrix(body: bytes) -> npt.NDArray[np.float32]:
    """Read `{"features_hash": .., "columns": {name: [..]}}` into a (rows, features) matrix.

    Raises:
        InputError: naming the first thing that is wrong.
    """
    parser = _spare.pop() if _spare else simdjson.Parser()
    table = _read(parser, body)
    # Not after a refusal: its traceback keeps objects of the parser's alive, which forbids its use.
    _spare.append(parser)
    return table


def _read(parser: simdjson.Parser, body: bytes) -> npt.NDArray[np.float32]:
    try:
        document = parser.parse(body)
    except (ValueError, RuntimeError) as error:
        raise InputError(f"Invalid JSON: {str(error)[:_SHOWN_CHARS]}") from error
    if not isinstance(document, simdjson.Object):
        raise InputError(f"the body must be an object: {_SHAPE}")
    given = _members(document)
    if given.keys() != {"features_hash", "columns"}:
        raise InputError(f"Field required: the body must be {_SHAPE} and nothing else")
    if not isinstance(given["features_hash"], str):
        raise InputError("features_hash must be a string")
    check_hash(given["features_hash"])
    if not isinstance(given["columns"], simdjson.Object):
        raise InputError("columns should be an object of lists of numbers")
    return matrix(given["features_hash"], _columns(given["columns"], body))


def _members(document: simdjson.Object) -> dict[str, object]:
    """Give the members unread; `items()` would make lists of them."""
    try:
        return {name: document[name] for name in document}
    except KeyError as error:  # the parser looks for a name with a NUL by what stands before it
        raise InputError(f"Field required: the body must be {_SHAPE} and nothing else") from error


def _columns(columns: simdjson.Object, body: bytes) -> dict[str, npt.NDArray[np.float64]]:
    numbers = {name: _numbers(name, values) for name, values in _members(columns).items()}
    # The parser flattens lists within lists: one bracket a column is all that may be there. A
    # wrong number of columns is told by its names, later. (`bytes.count` takes thrice the time.)
    brackets = np.count_nonzero(np.frombuffer(body, np.uint8) == _BRACKET)
    if len(numbers) == FEATURE_COUNT and brackets != FEATURE_COUNT:
        raise InputError("the columns hold a list within a list, or one of them comes twice")
    return numbers


def _numbers(name: str, values: object) -> npt.NDArray[np.float64]:
    if not isinstance(values, simdjson.Array):
        raise InputError(f"column {name[:_SHOWN_CHARS]} should be a list of numbers")
    if not len(values):
        return np.empty(0)
    try:
        return np.frombuffer(values.as_buffer(of_type="d"), dtype=np.float64)
    except TypeError as error:
        raise InputError(f"column {name[:_SHOWN_CHARS]} holds no valid number") from error
