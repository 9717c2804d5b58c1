"""The features: the same numbers for stream and training, finite for any valid input."""

from __future__ import annotations

import struct
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.features import (
    FEATURE_COUNT,
    FEATURE_NAMES,
    FEATURES_HASH,
    STATE_SIZE,
    WARM_UP_MS,
    initial_state,
    is_warm,
    step,
)
from cryptostream.contracts.trade import MAX_NUMBER, MAX_TIME_MS, MIN_NUMBER, MIN_TIME_MS


class Fill(NamedTuple):
    """The arguments of one step."""

    time_ms: int
    price: float
    size: float
    side: int


START_MS = 1_795_305_600_000
SIDES = st.sampled_from((1, -1))
HOSTILE = st.builds(
    Fill,
    st.integers(MIN_TIME_MS, MAX_TIME_MS),
    st.floats(MIN_NUMBER, MAX_NUMBER),
    st.floats(MIN_NUMBER, MAX_NUMBER) | st.sampled_from((MIN_NUMBER, MAX_NUMBER)),
    SIDES,
)


@st.composite
def tapes(draw: st.DrawFn) -> list[Fill]:
    """Draw a tape as an exchange prints it: ticks around a price, waits of up to 20 s."""
    moves = draw(
        st.lists(
            st.tuples(st.integers(0, 20_000), st.integers(-5, 5), st.integers(1, 10_000), SIDES),
            min_size=1,
            max_size=40,
        )
    )
    now, ticks, tape = START_MS, 10_000, []
    for wait, move, size, side in moves:
        now, ticks = now + wait, ticks + move
        tape.append(Fill(now, ticks * 0.01, size * 0.001, side))
    return tape


def run(tape: list[Fill]) -> list[list[float]]:
    """Give the vectors of a tape from a fresh state."""
    state = initial_state()
    return [step(state, *fill) for fill in tape]


def test_names_count_and_hash_belong_together() -> None:
    """A model trained on other features can tell by the hash; it changes with any name."""
    assert len(set(FEATURE_NAMES)) == FEATURE_COUNT == 22
    assert FEATURES_HASH == "2c593168000eae8d"
    assert initial_state() == [0.0] * STATE_SIZE


@given(tapes(), st.data())
def test_vectors_are_bit_identical_over_any_cut(tape: list[Fill], data: st.DataObject) -> None:
    """A state that is stored and loaded in between gives the same bits as an unbroken run."""
    cut = data.draw(st.integers(0, len(tape)))
    state = initial_state()
    vectors = [step(state, *fill) for fill in tape[:cut]]
    stored = struct.pack(f"<{STATE_SIZE}d", *state)
    state = list(struct.unpack(f"<{STATE_SIZE}d", stored))
    vectors += [step(state, *fill) for fill in tape[cut:]]
    assert vectors == run(tape)


@given(st.lists(HOSTILE, min_size=1, max_size=30))
def test_hostile_but_valid_input_gives_finite_numbers(tape: list[Fill]) -> None:
    """Every feature fits a finite 32-bit float, which is what is stored and scored."""
    limit = 3.4e38
    for vector in run(tape):
        assert len(vector) == FEATURE_COUNT
        assert all(-limit < value < limit for value in vector), vector


@given(tapes(), st.integers(1, 10_000_000))
def test_an_earlier_time_counts_as_no_wait(tape: list[Fill], back: int) -> None:
    """Dt < 0 is clamped: a late trade moves no clock back."""
    last = tape[-1]
    late = [*tape, last._replace(time_ms=last.time_ms - back), last]
    on_time = [*tape, last, last]
    assert run(late) == run(on_time)


@given(tapes(), st.sampled_from((2.0**-40, 0.5, 4.0, 2.0**30)))
@pytest.mark.parametrize("what", ["price", "size"])
def test_features_have_no_scale(what: str, tape: list[Fill], factor: float) -> None:
    """Multiplying all prices, or all sizes, by a power of two changes not one bit."""
    scaled = [fill._replace(**{what: getattr(fill, what) * factor}) for fill in tape]
    assert run(scaled) == run(tape)


@given(tapes(), st.floats(1e-6, 1e6))
@pytest.mark.parametrize("what", ["price", "size"])
def test_any_factor_changes_nothing_but_rounding(
    what: str, tape: list[Fill], factor: float
) -> None:
    """Multiplying by anything else changes the vectors by less than 1e-9."""
    scaled = [fill._replace(**{what: getattr(fill, what) * factor}) for fill in tape]
    for vector, other in zip(run(tape), run(scaled), strict=True):
        assert other == pytest.approx(vector, rel=1e-9, abs=1e-9)


@given(tapes(), st.integers(-(10**9), 10**9))
def test_features_have_no_clock(tape: list[Fill], shift: int) -> None:
    """The hour of the day says nothing: a shifted tape has the same vectors."""
    shifted = [fill._replace(time_ms=fill.time_ms + shift) for fill in tape]
    assert run(shifted) == run(tape)


@given(tapes())
def test_flow_and_strength_stay_in_their_ranges(tape: list[Fill]) -> None:
    """Order flow imbalance lies in [-1, 1] and the relative strength in [0, 1]."""
    for vector in run(tape):
        named = dict(zip(FEATURE_NAMES, vector, strict=True))
        for name in ("ofi_1s", "ofi_10s", "ofi_60s", "ofi_300s"):
            assert abs(named[name]) <= 1.0 + 1e-12
        assert -1e-12 <= named["rsi_60s"] <= 1.0 + 1e-12


def test_a_symbol_is_warm_after_its_longest_time_constant() -> None:
    """Five minutes of history, first trade to last, and no trade earlier."""
    state = initial_state()
    assert not is_warm(state)
    step(state, START_MS, 1.0, 1.0, 1)
    step(state, START_MS + WARM_UP_MS - 1, 1.0, 1.0, 1)
    assert not is_warm(state)
    step(state, START_MS + WARM_UP_MS, 1.0, 1.0, 1)
    assert is_warm(state)
