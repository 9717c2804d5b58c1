"""What the model is asked: labels that a market with nothing to learn can't fake.

Pure. The literal question "is the next trade higher?" is answered by mechanics, not by foresight:
most next trades print the same price, the fills of one order march one way, and prints bounce
between bid and ask. Label A removes all three: it looks at aggressive *orders*, compares prices of
the *same side* (so the spread cancels), and drops ties.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from cryptostream.models.trades import Floats, Ints, Tape

#: The horizon of the served model.
SERVED_HORIZON_MS: Final = 10_000
#: The horizons that reports show.
HORIZONS_MS: Final = (1_000, 5_000, 10_000, 30_000, 60_000)
#: The answering order may come this much later than the horizon, else there is no answer.
MAX_WAIT_MS: Final = 30_000
#: Trades this close together have seen about the same mid.
NEAR_MS: Final = 1_000
UNKNOWN: Final = -1

Labels = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Answers:
    """Label A of each order: 1 higher, 0 lower, `UNKNOWN` for ties and missing answers.

    Attributes:
        settled_ms: when the answer was known (the order's own time where there is none); a
            training row must be settled before the test begins.
        move_bps: the answer's price over the order's, less 1, in basis points; 0 for a tie, NaN
            where there is no answer.
    """

    label: Labels
    settled_ms: Ints
    move_bps: npt.NDArray[np.float32]


def first_fills(tape: Tape) -> Ints:
    """Index the first fill of each aggressive order.

    Consecutive fills of one symbol with the same millisecond and side count as one order; the
    feed names no order, so two orders of one side within a millisecond fall together.
    """
    if not len(tape):
        return np.empty(0, dtype=np.int64)
    same = (np.diff(tape.time_ms) == 0) & (np.diff(tape.side) == 0) & (np.diff(tape.segment) == 0)
    return np.flatnonzero(np.concatenate(([True], ~same)))


def label_a(time_ms: Ints, price: Floats, side: Ints, segment: Ints, *, horizon_ms: int) -> Answers:
    """Compare each order's price with the first same-side order at or after `t + horizon_ms`.

    Args:
        time_ms: of each order, never going backwards.
        price: of the first fill, which is the quote that the order hit.
        side: +1 or -1.
        segment: an order is answered within its own segment only.
        horizon_ms: positive.
    """
    label = np.full(len(time_ms), UNKNOWN, dtype=np.int8)
    settled = time_ms.copy()
    move_bps = np.full(len(time_ms), np.nan, dtype=np.float32)
    for of_side in (1, -1):
        rows = np.flatnonzero(side == of_side)
        due = time_ms[rows] + horizon_ms
        found = np.searchsorted(time_ms[rows], due, side="left")
        inside = found < len(rows)
        rows, due, answer = rows[inside], due[inside], rows[found[inside]]
        valid = (time_ms[answer] - due <= MAX_WAIT_MS) & (segment[answer] == segment[rows])
        rows, answer = rows[valid], answer[valid]
        settled[rows] = time_ms[answer]
        move_bps[rows] = (price[answer] / price[rows] - 1.0) * 1e4
        moved = price[answer] != price[rows]
        label[rows[moved]] = price[answer[moved]] > price[rows[moved]]
    return Answers(label, settled, move_bps)


def naive_label(price: Floats, segment: Ints) -> Labels:
    """Answer the literal question for each trade: 1 if the next trade is higher, else 0.

    The last trade of a segment has no next one and is `UNKNOWN`. Shown for comparison only.
    """
    label = np.full(len(price), UNKNOWN, dtype=np.int8)
    known = np.flatnonzero(np.diff(segment) == 0)
    label[known] = price[known + 1] > price[known]
    return label


def last_direction(price: Floats, segment: Ints) -> Labels:
    """Give the tick rule's view at each trade: the sign of the last price change, 0 before any."""
    change = np.sign(np.diff(price, prepend=price[:1])).astype(np.int8)
    start = np.diff(segment, prepend=segment[:1] - 1) != 0
    change[start] = 0
    decided = np.where((change != 0) | start, np.arange(len(price)), 0)
    return change[np.maximum.accumulate(decided)] if len(price) else change


def half_spread_bps(tape: Tape) -> float:
    """Estimate half the bid-ask spread: the median step between orders of opposite sides.

    A buy hits the ask and a sell the bid, so where one follows the other within a second their
    first prices lie a spread apart, moves of the mid aside. NaN where no such pair exists.
    """
    at = first_fills(tape)
    time_ms, price, side = tape.time_ms[at], tape.price[at], tape.side[at]
    near = (np.diff(side) != 0) & (np.diff(tape.segment[at]) == 0)
    pairs = np.flatnonzero(near & (np.diff(time_ms) <= NEAR_MS))
    if not len(pairs):
        return float("nan")
    spread = (price[pairs + 1] - price[pairs]) * side[pairs + 1]
    return float(max(np.median(spread / price[pairs]), 0.0) / 2 * 1e4)
