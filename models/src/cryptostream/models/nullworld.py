"""A market of pure chance, and the check that a recipe finds nothing in it. Pure.

The mid is a random walk that doesn't look at the flow. All that fakes skill is there: takers
persist in their side, one order fills at several prices, prints bounce between bid and ask.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from cryptostream.models import leaks
from cryptostream.models.dataset import build
from cryptostream.models.evaluation import walk
from cryptostream.models.folds import walk_plan
from cryptostream.models.labels import SERVED_HORIZON_MS
from cryptostream.models.learners import recipe
from cryptostream.models.trades import Tape

if TYPE_CHECKING:
    from cryptostream.models.learners import Options

#: About 6 hours. Within a short stretch every random walk seems to revert to its mean, which a
#: model learns in one and finds again in the next: 0.02 of AUC on tests of 15 minutes.
ORDERS: Final = 30_000
#: A false alarm would block every promotion with that seed; a leak stands much further off.
NULL_CONFIDENCE: Final = 0.999
ORDER_SECONDS: Final = 0.75
#: Chance that an order is on the side of the one before it.
PERSISTENCE: Final = 0.6
MAX_FILLS: Final = 5
#: Moves of the mid a second, each of one tick up or down.
MOVES_PER_SECOND: Final = 1.0
MID_TICKS: Final = 100_000
TICK: Final = 0.01
START_MS: Final = 1_767_225_600_000


def martingale(orders: int = ORDERS, *, seed: int = 0) -> Tape:
    """Draw a tape of aggressive orders in a market with nothing to learn."""
    rng = np.random.default_rng(seed)
    waits = rng.exponential(ORDER_SECONDS, orders)
    steps = rng.poisson(MOVES_PER_SECOND * waits / 2, (2, orders))
    mid = MID_TICKS + np.cumsum(steps[0] - steps[1])
    decides = rng.random(orders) >= PERSISTENCE
    decides[0] = True
    fresh = np.where(rng.random(orders) < 0.5, 1, -1)  # noqa: PLR2004 - a fair coin
    side = fresh[np.maximum.accumulate(np.where(decides, np.arange(orders), 0))]
    fills = rng.integers(1, MAX_FILLS + 1, orders)
    first = np.cumsum(fills) - fills
    order = np.repeat(np.arange(orders), fills)
    level = (np.arange(len(order)) - first[order]) // 2
    ticks = mid[order] + side[order] * (0.5 + level)
    return Tape(
        symbol="NULLWORLD",
        # A millisecond between orders keeps two of one side from falling together.
        time_ms=START_MS + (np.cumsum(waits * 1000.0).astype(np.int64) + np.arange(orders))[order],
        price=ticks * TICK,
        size=rng.lognormal(-2.0, 1.0, len(order)),
        side=side[order].astype(np.int64),
        segment=np.zeros(len(order), dtype=np.int64),
    )


def null_fault(
    options: Options, *, horizon_ms: int = SERVED_HORIZON_MS, orders: int = ORDERS
) -> str:
    """Train by the recipe in a market of pure chance; say what it "found" there, "" if nothing."""
    samples = build([martingale(orders, seed=options.seed)], horizons_ms=(horizon_ms,)).at(
        horizon_ms
    )
    plan = walk_plan(samples.time_ms, horizon_ms)
    report = walk({options.kind: recipe(options)}, samples, plan, options.seed)
    return "; ".join(leaks.false_skill({horizon_ms: report}, confidence=NULL_CONFIDENCE))
