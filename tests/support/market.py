"""Two small markets: one with nothing to learn, and one with a planted effect."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cryptostream.models.trades import Tape, tape_of

if TYPE_CHECKING:
    from pathlib import Path

START_MS = 1_767_225_600_000
TICK = 0.01
MID_TICKS = 10_000


def tape(
    symbol: str = "BTCUSDT", *, orders: int = 6_000, seed: int = 0, impact: float = 0.0
) -> Tape:
    """Simulate a tape of aggressive orders, about four per second, each of 1 to 5 fills.

    The mid is a random walk on ticks. Taker sides persist, prints bounce between bid and ask
    half a tick from the mid, and the fills of one order walk away from it. With `impact` 0 the
    walk is independent of the flow: a martingale. Otherwise the recent flow tilts each step of
    the mid by up to `impact`.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, int, float, float, int]] = []
    now, mid, side, flow = float(START_MS), MID_TICKS, 1, 0.0
    for _ in range(orders):
        wait = rng.exponential(0.25)
        now += 1 + 1000 * wait
        flow *= math.exp(-wait / 10.0)
        for _ in range(rng.poisson(2.0 * wait)):
            mid += 1 if rng.random() < 0.5 + impact * math.tanh(flow / 5.0) else -1
        side = side if rng.random() < 0.8 else -side
        flow += side
        for level in range(int(rng.integers(1, 6))):
            price = round(TICK * (mid + side * (1 + 2 * (level // 2)) / 2), 6)
            size = round(float(rng.lognormal(-2.0, 1.0)) + 1e-4, 6)
            rows.append((str(len(rows) + 1), int(now), price, size, side))
    return tape_of(symbol, rows)


def write_csv(tape: Tape, folder: Path) -> Path:
    """Write a tape in the format of Bybit's spot dump, named after its symbol."""
    path = folder / f"{tape.symbol}.csv"
    sides = {1: "buy", -1: "sell"}
    lines = ["id,timestamp,price,volume,side"]
    lines += [
        f"{row + 1},{tape.time_ms[row]},{tape.price[row]:.6f},{tape.size[row]:.6f},"
        f"{sides[int(tape.side[row])]}"
        for row in range(len(tape))
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
