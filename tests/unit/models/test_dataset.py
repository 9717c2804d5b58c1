"""The training table holds what the stream would have computed."""

from __future__ import annotations

import numpy as np
from support import market

from cryptostream.contracts.features import WARM_UP_MS, initial_state, step
from cryptostream.models.dataset import build, content_sha256
from cryptostream.models.labels import UNKNOWN, first_fills
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


def test_usable_rows_are_warm_answered_first_fills() -> None:
    """Cold rows, later fills of an order and rows with no answer are left out."""
    tape = market.tape(orders=3_000)
    data = build([tape])
    later = np.setdiff1d(np.arange(len(tape)), first_fills(tape))
    assert (data.label[later] == UNKNOWN).all()
    usable = data.usable()
    assert 0 < len(usable) < len(data)
    assert (usable.time_ms - tape.time_ms[0] >= WARM_UP_MS).all()
    assert set(usable.label.tolist()) == {0, 1}
    assert (usable.settled_ms >= usable.time_ms + 10_000).all()


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
