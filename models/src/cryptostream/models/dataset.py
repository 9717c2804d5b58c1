"""The training table: one row per trade, with its vector and the answers at every horizon."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt

from cryptostream.contracts.features import (
    FEATURE_COUNT,
    FEATURES_HASH,
    WARM_UP_MS,
    initial_state,
    is_warm,
    step,
)
from cryptostream.models.labels import (
    HORIZONS_MS,
    UNKNOWN,
    Labels,
    first_fills,
    half_spread_bps,
    label_a,
    last_direction,
    naive_label,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptostream.models.trades import Floats, Ints, Tape

Rows = npt.NDArray[np.intp] | npt.NDArray[np.bool_]
Vectors = npt.NDArray[np.float32]
_Table = TypeVar("_Table", "Samples", "Dataset")


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows with an answer at one horizon, ordered by time over all symbols.

    Attributes:
        symbols: names, by the numbers in `symbol`.
        horizon_ms: of the label; 0 for the literal label.
        features: (rows, `FEATURE_COUNT`) float32.
        target: 1 up, 0 not, `UNKNOWN` for a tie: never trained on, but counted in the edge.
        settled_ms: when the answer was known.
        move_bps: of the price until the answer, basis points.
        tick: the last price direction, -1, 0 or 1.
        side: the taker's, -1 or 1.
    """

    symbols: tuple[str, ...]
    horizon_ms: int
    features: Vectors
    target: Labels
    settled_ms: Ints
    move_bps: npt.NDArray[np.float32]
    tick: Labels
    side: Labels
    time_ms: Ints
    symbol: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, rows: Rows) -> Samples:
        """Give the chosen rows as samples of their own."""
        return _take(self, rows)

    def decided(self) -> Samples:
        """Leave the ties out."""
        return self.take(self.target != UNKNOWN)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One row per trade, in the order of time over all symbols.

    Attributes:
        symbols: names, by the numbers in `symbol`.
        horizons_ms: what the columns of `label`, `settled_ms` and `move_bps` stand for.
        sha256: fingerprint of all that the table was made of.
        half_spread_bps: of each symbol, as its trades show it; NaN where they don't.
        features: (rows, `FEATURE_COUNT`) float32, what the stream computes at the trade.
        warm: whether the vector rests on enough history.
        label: (rows, horizons) label A at the first fill of each order, else `UNKNOWN`.
        settled_ms: (rows, horizons) when label A was known; the trade's own time without one.
        move_bps: (rows, horizons) the move that label A looks at; NaN without an answer.
        naive: the literal label.
        tick: the tick rule's direction.
        side: the taker's, -1 or 1.
        time_ms: of the trade.
        symbol: number of its name in `symbols`.
    """

    symbols: tuple[str, ...]
    horizons_ms: tuple[int, ...]
    sha256: str
    half_spread_bps: tuple[float, ...]
    features: Vectors
    warm: npt.NDArray[np.bool_]
    label: Labels
    settled_ms: Ints
    move_bps: npt.NDArray[np.float32]
    naive: Labels
    tick: Labels
    side: Labels
    time_ms: Ints
    symbol: npt.NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, rows: Rows) -> Dataset:
        """Give the chosen rows as a dataset of their own."""
        return _take(self, rows)

    def at(self, horizon_ms: int) -> Samples:
        """Give the warm rows that have an answer at the horizon, ties among them.

        Raises:
            ValueError: when the dataset was not built for the horizon.
        """
        column = self.horizons_ms.index(horizon_ms)
        move = self.move_bps[:, column]
        rows = np.flatnonzero(self.warm & np.isfinite(move))
        return self._samples(
            rows, horizon_ms, self.label[rows, column], self.settled_ms[rows, column], move[rows]
        )

    def literal(self) -> Samples:
        """Give the warm rows that have an answer to the literal question."""
        rows = np.flatnonzero(self.warm & (self.naive != UNKNOWN))
        none = np.zeros(len(rows), dtype=np.float32)
        return self._samples(rows, 0, self.naive[rows], self.time_ms[rows], none)

    def _samples(
        self, rows: npt.NDArray[np.intp], horizon_ms: int, target: Labels, settled: Ints, move: Any
    ) -> Samples:
        return Samples(
            symbols=self.symbols,
            horizon_ms=horizon_ms,
            features=self.features[rows],
            target=target,
            settled_ms=settled,
            move_bps=move,
            tick=self.tick[rows],
            side=self.side[rows],
            time_ms=self.time_ms[rows],
            symbol=self.symbol[rows],
        )


def build(
    tapes: Sequence[Tape],
    *,
    horizons_ms: Sequence[int] = HORIZONS_MS,
    advance: Callable[[int], None] = lambda _: None,
) -> Dataset:
    """Make the dataset of the tapes; vectors that a tape lacks are replayed.

    `advance` is called with the number of trades of each tape that is done.
    """
    parts = []
    for number, tape in enumerate(tapes):
        parts.append(_of_tape(tape, number, tuple(horizons_ms)))
        advance(len(tape))
    columns = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(columns["time_ms"], kind="stable")
    return Dataset(
        symbols=tuple(tape.symbol for tape in tapes),
        horizons_ms=tuple(horizons_ms),
        sha256=content_sha256(tapes),
        half_spread_bps=tuple(half_spread_bps(tape) for tape in tapes),
        **{name: column[order] for name, column in columns.items()},
    )


def content_sha256(tapes: Sequence[Tape]) -> str:
    """Fingerprint the trades, holes and stored vectors: the same for any file layout."""
    digest = hashlib.sha256(FEATURES_HASH.encode())
    for tape in tapes:
        digest.update(f"{tape.symbol},{len(tape)},{tape.vectors is not None};".encode())
        for column in (tape.time_ms, tape.price, tape.size, tape.side, tape.segment):
            digest.update(np.ascontiguousarray(column).tobytes())
        if tape.vectors is not None:
            digest.update(np.ascontiguousarray(tape.vectors).tobytes())
            digest.update(np.ascontiguousarray(tape.warm).tobytes())
    return digest.hexdigest()


def replay(tape: Tape) -> tuple[Vectors, npt.NDArray[np.bool_]]:
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


def _of_tape(tape: Tape, number: int, horizons_ms: tuple[int, ...]) -> dict[str, Any]:
    features, warm = _vectors(tape)
    return {
        "features": features,
        "warm": warm,
        **_answers(tape, horizons_ms),
        "naive": naive_label(tape.price, tape.segment),
        "tick": last_direction(tape.price, tape.segment),
        "side": tape.side.astype(np.int8),
        "time_ms": tape.time_ms,
        "symbol": np.full(len(tape), number, dtype=np.int16),
    }


def _answers(tape: Tape, horizons_ms: tuple[int, ...]) -> dict[str, Any]:
    """Answer label A at the first fill of each order, for every horizon."""
    at, shape = first_fills(tape), (len(tape), len(horizons_ms))
    label = np.full(shape, UNKNOWN, dtype=np.int8)
    settled_ms = np.repeat(tape.time_ms[:, np.newaxis], len(horizons_ms), axis=1)
    move_bps = np.full(shape, np.nan, dtype=np.float32)
    orders = (tape.time_ms[at], tape.price[at], tape.side[at], tape.segment[at])
    for column, horizon_ms in enumerate(horizons_ms):
        answers = label_a(*orders, horizon_ms=horizon_ms)
        label[at, column], settled_ms[at, column] = answers.label, answers.settled_ms
        move_bps[at, column] = answers.move_bps
    return {"label": label, "settled_ms": settled_ms, "move_bps": move_bps}


def _vectors(tape: Tape) -> tuple[Vectors, npt.NDArray[np.bool_]]:
    """Take the stored vectors, warm again only some time after a hole, or replay."""
    if tape.vectors is None or tape.warm is None:
        return replay(tape)
    starts = np.flatnonzero(np.diff(tape.segment, prepend=tape.segment[:1]))
    since: Floats = np.full(len(tape), -np.inf)
    since[starts] = tape.time_ms[starts]
    rested = tape.time_ms - np.maximum.accumulate(since) >= WARM_UP_MS
    return tape.vectors, tape.warm & rested & np.isfinite(tape.vectors).all(axis=1)


def _take(table: _Table, rows: Rows) -> _Table:
    columns: dict[str, Any] = {
        item.name: value[rows]
        for item in fields(table)
        if isinstance(value := getattr(table, item.name), np.ndarray)
    }
    return replace(table, **columns)
