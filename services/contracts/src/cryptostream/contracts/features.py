"""The features of a trade: one pure function over a small time-decayed state per symbol.

The stream calls it on live trades and training calls it on replayed ones, so both see the same
numbers. Everything is scale-free: no price level, no clock, no counter that only grows.

Notation: for a time constant tau, a decayed sum is S <- S * exp(-dt / tau) + x at each trade.
Within one symbol trades come in the order (trade_time, seq, arrival); an earlier time than the
last one counts as dt = 0, here and in training alike.
"""

from __future__ import annotations

import hashlib
from math import copysign, exp, log, log1p, sqrt
from typing import Final

FEATURE_NAMES: Final = (
    "ofi_1s", "ofi_10s", "ofi_60s", "ofi_300s",
    "rate_1s", "rate_10s", "rate_60s", "rate_300s",
    "return_1s", "return_10s", "return_60s", "return_300s",
    "volatility_60s", "zscore_60s", "rsi_60s", "macd", "vwap_distance_60s",
    "wait", "run", "side", "size", "last_move",
)  # fmt: skip
FEATURE_COUNT: Final = len(FEATURE_NAMES)
#: Names and order decide it: a model trained on other features refuses to score.
FEATURES_HASH: Final = hashlib.sha256(",".join(FEATURE_NAMES).encode()).hexdigest()[:16]
#: A symbol's vectors are warm once its state has seen the longest time constant.
WARM_UP_MS: Final = 300_000

STATE_SIZE: Final = 27
_BPS: Final = 1e4
_TINY: Final = 1e-12
_MACD_FAST_SECONDS: Final = 12.0
_MACD_SLOW_SECONDS: Final = 26.0

#: Places in the state. Four decayed sums for each tau, then the single ones.
_TAUS: Final = ((0, 1.0), (4, 10.0), (8, 60.0), (12, 300.0))
_SIGNED, _VOLUME, _COUNT, _PRICE = range(4)
_PV60, _R2_60, _UP60, _DOWN60, _FAST, _SLOW = range(16, 22)
_LAST_MS, _LAST_PRICE, _RUN, _FIRST_MS, _LAST_MOVE = range(22, 27)
_V60, _C60, _P60 = 8 + _VOLUME, 8 + _COUNT, 8 + _PRICE

State = list[float]


def initial_state() -> State:
    """Give the state of a symbol that has not traded yet: `STATE_SIZE` zeros."""
    return [0.0] * STATE_SIZE


def is_warm(state: State) -> bool:
    """Tell whether the symbol's last vector rests on at least `WARM_UP_MS` of history."""
    return state[_LAST_MS] - state[_FIRST_MS] >= WARM_UP_MS


def step(state: State, time_ms: int, price: float, size: float, side: int) -> list[float]:
    """Take one trade into the state (changed in place) and give its `FEATURE_COUNT` floats.

    Args:
        state: from `initial_state` or an earlier call.
        time_ms: match time, epoch milliseconds.
        price: positive, quote units.
        size: positive, base units.
        side: +1 if the taker bought, -1 if it sold.
    """
    first = state[_LAST_PRICE] == 0.0
    if first:
        state[_LAST_MS] = state[_FIRST_MS] = float(time_ms)
        state[_LAST_PRICE] = state[_FAST] = state[_SLOW] = price
    wait = max(0.0, time_ms - state[_LAST_MS]) / 1000.0
    move = log(price / state[_LAST_PRICE])
    _decay(state, wait, price, size, side)
    _add_moves(state, wait, price, size, move)
    run = state[_RUN]
    state[_RUN] = run + side if run * side > 0 else float(side)
    state[_LAST_MS] = max(state[_LAST_MS], float(time_ms))
    state[_LAST_PRICE] = price
    state[_LAST_MOVE] = move
    return _vector(state, wait, price, size, side)


def _decay(state: State, wait: float, price: float, size: float, side: int) -> None:
    """Age the four sums of every tau by `wait` seconds and add the trade to them."""
    for at, tau in _TAUS:
        keep = exp(-wait / tau) if wait else 1.0
        state[at] = state[at] * keep + side * size
        state[at + 1] = state[at + 1] * keep + size
        state[at + 2] = state[at + 2] * keep + 1.0
        state[at + 3] = state[at + 3] * keep + price


def _add_moves(state: State, wait: float, price: float, size: float, move: float) -> None:
    """Age and extend what looks at price moves: variance, ups and downs, VWAP, MACD."""
    keep = exp(-wait / 60.0) if wait else 1.0
    state[_PV60] = state[_PV60] * keep + price * size
    state[_R2_60] = state[_R2_60] * keep + move * move
    state[_UP60] = state[_UP60] * keep + max(move, 0.0)
    state[_DOWN60] = state[_DOWN60] * keep + max(-move, 0.0)
    if wait:
        state[_FAST] += (1.0 - exp(-wait / _MACD_FAST_SECONDS)) * (price - state[_FAST])
        state[_SLOW] += (1.0 - exp(-wait / _MACD_SLOW_SECONDS)) * (price - state[_SLOW])


def _vector(state: State, wait: float, price: float, size: float, side: int) -> list[float]:
    """Read the features off the state, in the order of `FEATURE_NAMES`."""
    s = state
    ofi = [s[at] / s[at + 1] for at, _ in _TAUS]
    base_rate = s[12 + _COUNT] / 300.0
    rates = [log(s[at + 2] / tau / base_rate) for at, tau in _TAUS[:3]]
    returns = [(price / (s[at + 3] / s[at + 2]) - 1.0) * _BPS for at, _ in _TAUS]
    volatility = sqrt(s[_R2_60])
    mean60 = s[_P60] / s[_C60]
    moved = s[_UP60] + s[_DOWN60]
    return [
        *ofi,
        *rates,
        log1p(base_rate),
        *returns,
        volatility * _BPS,
        (price / mean60 - 1.0) / volatility if volatility > _TINY else 0.0,
        s[_UP60] / moved if moved > _TINY else 0.5,
        (s[_FAST] - s[_SLOW]) / price * _BPS,
        (price / (s[_PV60] / s[_V60]) - 1.0) * _BPS,
        log1p(wait),
        copysign(log1p(abs(s[_RUN])), s[_RUN]),
        float(side),
        log(size / (s[_V60] / s[_C60])),
        abs(s[_LAST_MOVE]) * _BPS,
    ]
