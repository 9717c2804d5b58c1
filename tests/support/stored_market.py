"""A simulated market as the stream would have stored it, up to now, for what reads it back."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from support import documents, market

from cryptostream.contracts.features import FEATURES_HASH, initial_state, is_warm, step

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.models.trades import Tape

_BULK = 5_000


def tape_until(
    end_ms: int, *, orders: int = 2_400, slowness: int = 6, seed: int = 0, impact: float = 0.0
) -> Tape:
    """Simulate a tape whose last trade is at `end_ms`; one order in 0.25 s times `slowness`."""
    made = market.tape(orders=orders, seed=seed, impact=impact)
    since_start = (made.time_ms - made.time_ms[0]) * slowness
    return replace(made, time_ms=end_ms - since_start[-1] + since_start)


def store(
    url: str,
    exchange: str,
    tape: Tape,
    prediction: Callable[[int], dict[str, Any]] = lambda _row: {"reason": "no_model"},
) -> list[dict[str, Any]]:
    """Write a tape's trades as the stream does, with vectors; `prediction` is asked by row."""
    state, made = initial_state(), []
    for row in range(len(tape)):
        time_ms, price, size = int(tape.time_ms[row]), float(tape.price[row]), float(tape.size[row])
        side = int(np.sign(tape.side[row]))
        vector = step(state, time_ms, price, size, side)
        told = {"features": vector, "features_hash": FEATURES_HASH, "warm": is_warm(state)}
        made.append(
            documents.trade(
                tape.symbol, row, time_ms, exchange=exchange, price=price, size=size,
                side="buy" if side > 0 else "sell", prediction=prediction(row), **told,
            )
        )  # fmt: skip
    for start in range(0, len(made), _BULK):
        documents.write(url, made[start : start + _BULK], refresh=start + _BULK >= len(made))
    return made
