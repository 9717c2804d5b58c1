"""A replay equals what the stream stored, or the comparison says where it doesn't."""

from __future__ import annotations

from typing import Any

import pytest

from cryptostream.contracts.features import FEATURES_HASH, initial_state, is_warm, step
from cryptostream.models.errors import ParityError
from cryptostream.models.parity import TOLERANCE, WARM_UP_MS, compare

START_MS = 1_767_225_600_000


def documents(count: int = 400, step_ms: int = 60_000) -> list[dict[str, Any]]:
    """Store trades of a symbol as the stream does, from its very first on."""
    state, found = initial_state(), []
    for number in range(count):
        time_ms, side = START_MS + number * step_ms, 1 if number % 3 else -1
        price, size = 100.0 + (number * 7 % 11) * 0.01, 1.0 + number % 5
        vector = step(state, time_ms, price, size, side)
        found.append(
            {
                "trade_id": f"t{number}",
                "trade_time": time_ms,
                "price": price,
                "size": size,
                "side": "buy" if side > 0 else "sell",
                "features": vector,
                "features_hash": FEATURES_HASH,
                "warm": is_warm(state),
            }
        )
    return found


def test_a_replay_from_the_start_equals_every_vector() -> None:
    """Where the stream's state began with the first trade, all vectors are compared and equal."""
    found = compare("BTCUSDT", documents(), START_MS)
    assert (found.compared, found.largest, found.cold) == (400, 0.0, True)
    assert found.holds


def test_a_later_replay_agrees_after_the_warm_up() -> None:
    """A replay that began later is compared only once the past is forgotten, and agrees."""
    later = documents()[100:]
    found = compare("BTCUSDT", later, START_MS)
    assert not found.cold
    assert found.compared == len(later) - WARM_UP_MS // 60_000
    assert found.holds


@pytest.mark.parametrize("wrong", [2 * TOLERANCE, float("nan")])
def test_one_wrong_feature_is_found(wrong: float) -> None:
    """One feature of one trade that is off is named with its trade."""
    stored = documents()
    stored[300]["features"][5] += wrong
    found = compare("BTCUSDT", stored, START_MS)
    assert not found.holds
    assert (found.worst_trade, found.worst_feature) == ("t300", "rate_10s")
    assert found.compared - found.equal == 1


def test_a_missing_trade_is_found() -> None:
    """A trade that the store lacks shows in the vectors that follow it."""
    stored = documents()
    del stored[200]
    assert not compare("BTCUSDT", stored, START_MS).holds


def test_too_short_a_past_is_told() -> None:
    """With less than the warm-up and no cold start there is nothing to compare."""
    with pytest.raises(ParityError, match="give a later range"):
        compare("BTCUSDT", documents()[100:200], START_MS)


def test_vectors_of_other_features_are_not_compared() -> None:
    """A vector of another feature list says nothing about this one."""
    stored = documents(10)
    for one in stored:
        one["features_hash"] = "0" * 16
    with pytest.raises(ParityError):
        compare("BTCUSDT", stored, START_MS)
