"""The training table holds what the stream would have computed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from support import market

from cryptostream.contracts.features import FEATURE_COUNT, WARM_UP_MS, initial_state, step
from cryptostream.models.dataset import build, content_sha256
from cryptostream.models.labels import HORIZONS_MS, UNKNOWN, first_fills
from cryptostream.models.trades import Tape


def test_vectors_equal_those_of_the_stream() -> None:
    """Each row holds what `step` gives when fed the trades one by one."""
    tape = market.tape(orders=300)
    state = initial_state()
    data = build([tape])
    for row in range(len(tape)):
        vector = step(
            state,
            int(tape.time_ms[row]),
            float(tape.price[row]),
            float(tape.size[row]),
            int(tape.side[row]),
        )
        assert (data.features[row] == np.float32(vector)).all()


def test_features_start_anew_after_a_hole() -> None:
    """The first vector after a hole is that of a symbol that never traded before."""
    tape = market.tape(orders=300)
    row = 200
    segment = (np.arange(len(tape)) >= row).astype(np.int64)
    data = build([Tape(tape.symbol, tape.time_ms, tape.price, tape.size, tape.side, segment)])
    fresh = step(
        initial_state(),
        int(tape.time_ms[row]),
        float(tape.price[row]),
        float(tape.size[row]),
        int(tape.side[row]),
    )
    assert (data.features[row] == np.float32(fresh)).all()
    assert not data.warm[row]


def test_samples_are_warm_answered_first_fills() -> None:
    """Cold rows, later fills of an order and rows with no answer are left out."""
    tape = market.tape(orders=3_000)
    data = build([tape])
    later = np.setdiff1d(np.arange(len(tape)), first_fills(tape))
    assert (data.label[later] == UNKNOWN).all()
    for horizon_ms in HORIZONS_MS:
        samples = data.at(horizon_ms)
        assert 0 < len(samples) < len(data)
        assert (samples.time_ms - tape.time_ms[0] >= WARM_UP_MS).all()
        assert (samples.settled_ms >= samples.time_ms + horizon_ms).all()
        assert np.isfinite(samples.move_bps).all()
        assert set(samples.decided().target.tolist()) == {0, 1}
        assert ((samples.move_bps > 0) == (samples.target == 1)).all()


def test_stored_vectors_are_taken_as_they_are() -> None:
    """Vectors that the stream stored are not replayed."""
    tape = market.tape(orders=300)
    vectors = np.full((len(tape), FEATURE_COUNT), 0.25, dtype=np.float32)
    stored = replace(tape, vectors=vectors, warm=np.ones(len(tape), dtype=np.bool_))
    data = build([stored])
    assert (data.features == vectors).all()
    assert data.warm.all()


def test_stored_vectors_are_cold_after_a_hole() -> None:
    """The stream knows of no hole: its vectors count as warm again once they rest on enough."""
    tape = market.tape(orders=3_000)
    hole = len(tape) // 3
    stored = replace(
        tape,
        segment=(np.arange(len(tape)) >= hole).astype(np.int64),
        vectors=np.zeros((len(tape), FEATURE_COUNT), dtype=np.float32),
        warm=np.ones(len(tape), dtype=np.bool_),
    )
    warm = build([stored]).warm
    since = tape.time_ms - tape.time_ms[hole]
    assert (warm == ((since < 0) | (since >= WARM_UP_MS))).all()


def test_a_vector_that_is_no_number_is_cold() -> None:
    """A stored vector with a NaN in it is never learnt from."""
    tape = market.tape(orders=50)
    vectors = np.zeros((len(tape), FEATURE_COUNT), dtype=np.float32)
    vectors[7, 3] = np.nan
    stored = replace(tape, vectors=vectors, warm=np.ones(len(tape), dtype=np.bool_))
    assert np.flatnonzero(~build([stored]).warm).tolist() == [7]


def test_symbols_are_merged_by_time() -> None:
    """Rows of several symbols stand in the order of time."""
    data = build([market.tape("AUSDT", orders=100, seed=1), market.tape("BUSDT", orders=100)])
    assert (np.diff(data.time_ms) >= 0).all()


def test_the_fingerprint_is_of_the_content() -> None:
    """The same trades have the same fingerprint; one other price has another."""
    tape = market.tape(orders=50)
    price = tape.price.copy()
    price[7] += 0.01
    other = Tape(tape.symbol, tape.time_ms, price, tape.size, tape.side, tape.segment)
    assert content_sha256([tape]) == content_sha256([market.tape(orders=50)])
    assert content_sha256([tape]) != content_sha256([other])
