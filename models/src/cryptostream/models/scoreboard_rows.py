"""Stored predictions and what happened after them. Pure.

An order's answers at all horizons are known once the longest horizon and the longest wait have
passed; so the newest trades are kept back until then, and each order is answered exactly once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.models.dataset import Samples
from cryptostream.models.labels import (
    HORIZONS_MS,
    MAX_WAIT_MS,
    UNKNOWN,
    Labels,
    first_fills,
    label_a,
    last_direction,
    naive_label,
)
from cryptostream.models.trades import Tape

if TYPE_CHECKING:
    from collections.abc import Sequence

#: After it every answer that will ever come has come.
SETTLE_MS: Final = max(HORIZONS_MS) + MAX_WAIT_MS

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Trades:
    """Trades as they were stored, ordered by time; `p_up` is NaN where nothing was predicted.

    Attributes:
        symbol: names; as `model`, of fixed width.
        side: +1 or -1.
    """

    symbol: npt.NDArray[np.str_]
    time_ms: Ints
    price: Floats
    side: Ints
    p_up: Floats
    model: npt.NDArray[np.str_]

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, rows: Any) -> Trades:
        """Give the chosen trades."""
        return Trades(*(getattr(self, item.name)[rows] for item in fields(self)))


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Predicted orders with their answers; columns of `target` and `move_bps` are `HORIZONS_MS`."""

    symbol: npt.NDArray[np.str_]
    model: npt.NDArray[np.str_]
    time_ms: Ints
    p_up: Floats
    target: Labels
    move_bps: npt.NDArray[np.float32]
    naive: Labels
    tick: Labels
    side: Labels

    def __len__(self) -> int:
        return len(self.time_ms)

    def take(self, rows: Any) -> Outcomes:
        """Give the chosen orders."""
        return Outcomes(*(getattr(self, item.name)[rows] for item in fields(self)))

    def at(self, horizon_ms: int) -> tuple[Samples, Floats]:
        """Give the orders with an answer at the horizon as samples, and their predictions."""
        column = HORIZONS_MS.index(horizon_ms)
        rows = np.flatnonzero(np.isfinite(self.move_bps[:, column]))
        names, number = np.unique(self.symbol[rows], return_inverse=True)
        samples = Samples(
            symbols=tuple(names.tolist()),
            horizon_ms=horizon_ms,
            features=np.empty((len(rows), FEATURE_COUNT), dtype=np.float32),
            target=self.target[rows, column],
            settled_ms=self.time_ms[rows] + horizon_ms,
            move_bps=self.move_bps[rows, column],
            tick=self.tick[rows],
            side=self.side[rows],
            time_ms=self.time_ms[rows],
            symbol=number.astype(np.int16),
        )
        return samples, self.p_up[rows]


def joined(parts: Sequence[Trades]) -> Trades:
    """Put trades one after another, at least one part."""
    return Trades(
        *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Trades))
    )


def merged(parts: Sequence[Outcomes]) -> Outcomes:
    """Put outcomes one after another, at least one part, in the order of time."""
    whole = Outcomes(
        *(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(Outcomes))
    )
    return whole.take(np.argsort(whole.time_ms, kind="stable"))


def settle(trades: Trades, from_ms: int, to_ms: int) -> Outcomes:
    """Answer the predicted orders of [from_ms, to_ms).

    `trades` must reach to `to_ms + SETTLE_MS`, and back far enough for the tick rule.
    """
    parts = [
        _of_symbol(trades.take(trades.symbol == name), from_ms, to_ms)
        for name in np.unique(trades.symbol)
    ]
    return merged(parts) if parts else _none(trades)


def _of_symbol(trades: Trades, from_ms: int, to_ms: int) -> Outcomes:
    one = np.zeros(len(trades), dtype=np.int64)
    tape = Tape(
        str(trades.symbol[0]), trades.time_ms, trades.price, one.astype(float), trades.side, one
    )
    at = first_fills(tape)
    orders = (tape.time_ms[at], tape.price[at], tape.side[at], tape.segment[at])
    answers = [label_a(*orders, horizon_ms=horizon_ms) for horizon_ms in HORIZONS_MS]
    time_ms, p_up = trades.time_ms[at], trades.p_up[at]
    chosen = np.flatnonzero((time_ms >= from_ms) & (time_ms < to_ms) & np.isfinite(p_up))
    rows = at[chosen]
    return Outcomes(
        symbol=trades.symbol[rows],
        model=trades.model[rows],
        time_ms=trades.time_ms[rows],
        p_up=trades.p_up[rows],
        target=np.stack([answer.label[chosen] for answer in answers], axis=1),
        move_bps=np.stack([answer.move_bps[chosen] for answer in answers], axis=1),
        naive=naive_label(tape.price, tape.segment)[rows],
        tick=last_direction(tape.price, tape.segment)[rows],
        side=trades.side[rows].astype(np.int8),
    )


def _none(trades: Trades) -> Outcomes:
    width = len(HORIZONS_MS)
    label = np.empty(0, dtype=np.int8)
    return Outcomes(
        trades.symbol[:0], trades.model[:0], trades.time_ms[:0], trades.p_up[:0],
        np.full((0, width), UNKNOWN, dtype=np.int8), np.empty((0, width), dtype=np.float32),
        label, label, label,
    )  # fmt: skip


class Pending:
    """Keeps trades until their answers are known; `add` gives the orders that became answerable."""

    def __init__(self, from_ms: int) -> None:
        self._settled_to = from_ms
        self._trades: Trades | None = None

    def add(self, trades: Trades, to_ms: int) -> Outcomes:
        """Take the trades that were read, all up to `to_ms`, and answer what can be answered."""
        whole = trades if self._trades is None else joined([self._trades, trades])
        from_ms, self._settled_to = self._settled_to, max(self._settled_to, to_ms - SETTLE_MS)
        outcomes = settle(whole, from_ms, self._settled_to)
        self._trades = whole.take(whole.time_ms >= self._settled_to - MAX_WAIT_MS)
        return outcomes


def newest(outcomes: Outcomes, since_ms: int, limit: int) -> Outcomes:
    """Keep what isn't older than `since_ms`, and of that at most the newest `limit` orders."""
    kept = outcomes.take(outcomes.time_ms >= since_ms)
    return kept.take(slice(max(0, len(kept) - limit), None))


def thinned(outcomes: Outcomes, limit: int) -> Outcomes:
    """Take at most about `limit` orders, evenly spread: neighbours tell the same."""
    return outcomes.take(slice(None, None, 1 + len(outcomes) // limit))
