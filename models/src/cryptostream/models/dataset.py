"""The training table: replay tapes through the very feature function that the stream uses."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from cryptostream.contracts.features import FEATURE_COUNT, initial_state, is_warm, step
from cryptostream.models.labels import (
    SERVED_HORIZON_MS,
    UNKNOWN,
    Labels,
    first_fills,
    label_a,
    last_direction,
    naive_label,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.models.trades import Ints, Tape

Rows = npt.NDArray[np.intp] | npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Dataset:
    """One row per trade, in the order of time over all symbols.

    Attributes:
        features: (rows, `FEATURE_COUNT`) float32, what the stream computes at the trade.
        label: label A at the first fill of each aggressive order, `UNKNOWN` at its other fills.
        settled_ms: when label A was known; the trade's own time where it is `UNKNOWN`.
        naive: the literal label.
        tick: the tick rule's direction.
        warm: whether the vector rests on enough history.
        time_ms: of the trade.
    """

    features: npt.NDArray[np.float32]
    label: Labels
    settled_ms: Ints
    naive: Labels
    tick: Labels
    warm: npt.NDArray[np.bool_]
    time_ms: Ints

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, rows: Rows) -> Dataset:
        """Give the chosen rows as a dataset of their own."""
        return replace(self, **{item.name: getattr(self, item.name)[rows] for item in fields(self)})

    def usable(self) -> Dataset:
        """Keep the warm rows that have an answer to label A."""
        return self.take(self.warm & (self.label != UNKNOWN))

    def literal(self) -> Dataset:
        """Keep the warm rows that have an answer to the literal label."""
        return self.take(self.warm & (self.naive != UNKNOWN))


def build(tapes: Sequence[Tape], *, horizon_ms: int = SERVED_HORIZON_MS) -> Dataset:
    """Replay the tapes into a dataset with label A at the given horizon."""
    parts = [_of_tape(tape, horizon_ms) for tape in tapes]
    whole = Dataset(
        **{
            item.name: np.concatenate([getattr(part, item.name) for part in parts])
            for item in fields(Dataset)
        }
    )
    return whole.take(np.argsort(whole.time_ms, kind="stable"))


def content_sha256(tapes: Sequence[Tape]) -> str:
    """Fingerprint the trades themselves: the same for any file layout that holds them."""
    digest = hashlib.sha256()
    for tape in tapes:
        digest.update(f"{tape.symbol},{len(tape)};".encode())
        for column in (tape.time_ms, tape.price, tape.size, tape.side):
            digest.update(column.tobytes())
    return digest.hexdigest()


def _of_tape(tape: Tape, horizon_ms: int) -> Dataset:
    at = first_fills(tape)
    answers = label_a(
        tape.time_ms[at], tape.price[at], tape.side[at], tape.segment[at], horizon_ms=horizon_ms
    )
    label = np.full(len(tape), UNKNOWN, dtype=np.int8)
    settled_ms = tape.time_ms.copy()
    label[at], settled_ms[at] = answers.label, answers.settled_ms
    features, warm = _replay(tape)
    return Dataset(
        features=features,
        label=label,
        settled_ms=settled_ms,
        naive=naive_label(tape.price, tape.segment),
        tick=last_direction(tape.price, tape.segment),
        warm=warm,
        time_ms=tape.time_ms,
    )


def _replay(tape: Tape) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Run every trade through `step`, with a fresh state after each hole."""
    features = np.empty((len(tape), FEATURE_COUNT), dtype=np.float32)
    warm = np.zeros(len(tape), dtype=np.bool_)
    columns = (tape.time_ms, tape.price, tape.size, tape.side, tape.segment)
    state, current = initial_state(), -1
    for row, (time_ms, price, size, side, segment) in enumerate(
        zip(*(column.tolist() for column in columns), strict=True)
    ):
        if segment != current:
            state, current = initial_state(), segment
        features[row] = step(state, time_ms, price, size, side)
        warm[row] = is_warm(state)
    return features, warm
