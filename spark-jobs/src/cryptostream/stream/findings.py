"""What the trade rules say when they fire: values, what is usual, and a sentence. Pure.

Called only when a limit was passed, so nothing here needs to be quick. `pulse` is the symbol's
state with the proving trade in it.
"""

from __future__ import annotations

from math import exp, expm1, log
from typing import TYPE_CHECKING, Final

from cryptostream.stream.words import Finding, amount

if TYPE_CHECKING:
    from cryptostream.stream.pulse import Pulse

_BPS: Final = 1e4


def volume_shock(pulse: Pulse) -> Finding:
    """Tell of the window's turnover; baseline is the median window's."""
    rules, usual = pulse.desk.rules, pulse.swing
    limit, seconds = rules.volume_shock.threshold, rules.window.seconds
    turnover = pulse.turnover + sum(pulse.past)
    score = (log(turnover) - usual.centre) / usual.sigma
    baseline = exp(usual.centre)
    return Finding(
        turnover,
        baseline,
        exp(usual.centre + limit * usual.sigma),
        f"{pulse.about.symbol}: turnover of {amount(turnover)} in {seconds} s, "
        f"{amount(turnover / baseline)} times the usual {amount(baseline)} "
        f"(robust z {score:.1f}, limit {limit:g})",
        {
            "z": score,
            "z_limit": limit,
            "sigma_log": usual.sigma,
            "samples": float(usual.samples),
            "window_seconds": float(seconds),
            "price": pulse.price,
        },
    )


def price_shock(pulse: Pulse) -> Finding:
    """Tell of the window's return; value, baseline and threshold are basis points."""
    rules, usual = pulse.desk.rules, pulse.jitter
    seconds, before, price = rules.window.seconds, pulse.closes[0], pulse.price
    move = log(price / before)
    score = (move - usual.centre) / usual.sigma
    limit = rules.price_shock.threshold if score > 0 else -rules.price_shock.threshold
    move_bps = expm1(move) * _BPS
    return Finding(
        move_bps,
        expm1(usual.centre) * _BPS,
        expm1(usual.centre + limit * usual.sigma) * _BPS,
        f"{pulse.about.symbol}: price {'up' if move > 0 else 'down'} {abs(move_bps) / 100:.2f} % "
        f"within {seconds} s, from {before:.10g} to {price:.10g} (robust z {score:.1f}, limit "
        f"{limit:g}; usual moves are {usual.sigma * 100:.3f} %)",
        {
            "z": score,
            "z_limit": limit,
            "sigma_bps": usual.sigma * _BPS,
            "price": price,
            "price_before": before,
            "samples": float(usual.samples),
            "window_seconds": float(seconds),
        },
    )


def whale(pulse: Pulse, side: str, notional: float) -> Finding:
    """Tell of one large trade; baseline is the symbol's 99th percentile."""
    usual, large, limit = pulse.usual, pulse.large, pulse.whale_limit
    return Finding(
        notional,
        large,
        limit,
        f"{pulse.about.symbol}: one {side} of {amount(notional)}, {amount(notional / usual)} times "
        f"the usual {amount(usual)} and {amount(notional / large)} times the 99th percentile "
        f"(limit {amount(limit)})",
        {
            "median": usual,
            "p99": large,
            "steps_limit": pulse.desk.rules.whale.threshold,
            "side": 1.0 if side == "buy" else -1.0,
            "price": pulse.price,
            "samples": float(pulse.seen),
        },
    )


def one_sided_flow(pulse: Pulse) -> Finding:
    """Tell of a flow of one side; shares lie in [-1, 1], buys are positive."""
    rule = pulse.desk.rules.one_sided_flow
    imbalance, lean = pulse.net / pulse.total, pulse.lean / pulse.count
    return Finding(
        imbalance,
        0.0,
        rule.threshold if imbalance > 0 else -rule.threshold,
        f"{pulse.about.symbol}: nearly all takers {'buy' if imbalance > 0 else 'sell'}, "
        f"{amount(pulse.total)} in about {pulse.count:.0f} trades (imbalance {imbalance:+.2f} by "
        f"turnover, {lean:+.2f} by count; limit {rule.threshold:g})",
        {
            "imbalance_turnover": imbalance,
            "imbalance_count": lean,
            "trades": pulse.count,
            "turnover": pulse.total,
            "seconds": float(rule.seconds),
            "price": pulse.price,
        },
    )


def silence(pulse: Pulse) -> Finding:
    """Tell of a symbol that stopped trading; value and threshold are seconds."""
    rule = pulse.desk.rules.silence
    return Finding(
        rule.threshold,
        0.0,
        rule.threshold,
        f"{pulse.about.symbol}: no trade for {rule.threshold:g} s; it usually trades in "
        f"{pulse.activity:.0%} of all windows of {pulse.desk.rules.window.seconds} s (last price "
        f"{pulse.price:.10g})",
        {"busy_share": pulse.activity, "busy_limit": rule.busy_share, "price": pulse.price},
    )


def prediction_streak(pulse: Pulse) -> Finding:
    """Tell of a run of predictions; value is their mean probability of a rise."""
    rule, length = pulse.desk.rules.prediction_streak, abs(pulse.streak)
    mean, up = pulse.streak_sum / length, pulse.streak > 0
    limit = rule.threshold if up else 1.0 - rule.threshold
    return Finding(
        mean,
        0.5,
        limit,
        f"{pulse.about.symbol}: {length} predictions in a row say {'up' if up else 'down'} (mean "
        f"p_up {mean:.2f}, limit {limit:.2f}); price {pulse.streak_price:.10g} -> "
        f"{pulse.price:.10g} meanwhile",
        {
            "length": float(length),
            "mean_p_up": mean,
            "price_before": pulse.streak_price,
            "price": pulse.price,
        },
    )
