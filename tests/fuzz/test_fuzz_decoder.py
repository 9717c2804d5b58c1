"""The decoder against hostile input: accepted, or a documented error, and nothing else.

`FUZZ_EXAMPLES=100000 pytest tests/fuzz` looks longer; `python tests/fuzz/atheris_decoder.py`
looks by coverage.
"""

from __future__ import annotations

import os
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from support.hostile import (
    FIELDS,
    FRAMES,
    SPOT,
    check_decoders,
    check_neighbours_survive,
    encode,
    recorded_frames,
)

LONG = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "300")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
RECORDED = recorded_frames()
JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=60)
    | st.sampled_from(["NaN", "-0", "1e999", "٣", "1" * 50, "9" * 400, "Buy", "\x00", "0x1"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=5,
)
#: What JSON has no value for in Python, and what breaks decoders that recurse.
RAW_VALUES = st.sampled_from(
    [b"1e400", b"-1", b"[" * 2_000, b"NaN", b'"\\ud800"', b'"\xff"', b"", b"{", b"9" * 5_000]
)


@LONG
@given(st.binary(max_size=600))
@example(b"[" * 100_000)
@example(SPOT[:-1])
def test_any_bytes_raise_only_what_is_documented(raw: bytes) -> None:
    """Every decoder of ingest takes any bytes."""
    check_decoders(raw)


@LONG
@given(st.sampled_from(RECORDED), st.data())
def test_a_damaged_recorded_frame_raises_only_what_is_documented(
    frame: dict[str, Any], data: st.DataObject
) -> None:
    """Bytes overwritten, cut out or put in anywhere in what the exchange really sent."""
    raw = bytearray(encode(frame))
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 12)))
        raw[start:end] = data.draw(st.binary(max_size=12))
    check_decoders(bytes(raw))


@LONG
@given(
    st.sampled_from(RECORDED),
    st.data(),
    st.sampled_from(FIELDS),
    JSON_VALUES.map(msgspec.json.encode) | RAW_VALUES,
)
def test_one_mutated_trade_is_one_named_error_and_the_rest_survives(
    frame: dict[str, Any], data: st.DataObject, field: str, value: bytes
) -> None:
    """A field of one trade takes any value: its neighbours come through, in their order."""
    place = data.draw(st.integers(0, len(frame["data"]) - 1))
    check_neighbours_survive(frame, place, field, value)


@pytest.mark.skipif(not FRAMES.exists(), reason=f"no recorded frames: {FRAMES} is absent")
@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("value", [b"null", b"[]", b"-1", b'"NaN"', b"1e400"])
def test_every_recorded_frame_survives_a_mutated_trade(field: str, value: bytes) -> None:
    """Each of the recorded frames in turn, its last trade broken."""
    assert len(RECORDED) == 120
    for frame in RECORDED:
        check_neighbours_survive(frame, len(frame["data"]) - 1, field, value)
