"""The market model: its tape looks like the recorded ones and holds nothing to learn."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.simulator.instruments import UNIVERSE
from cryptostream.simulator.market import MAX_FILLS, Market, mean_fills
from cryptostream.simulator.tape import Tape

START_MS = 1_795_305_600_000
INSTRUMENTS = UNIVERSE[:12]
SECONDS = 2_000


def market(seed: int = 1, rate: float = 100.0, impact: float = 0.0, speed: float = 1.0) -> Market:
    """Give a market of the default universe."""
    return Market(INSTRUMENTS, rate=rate, speed=speed, seed=seed, start_ms=START_MS, impact=impact)


def joined(tapes: list[Tape]) -> dict[str, np.ndarray]:
    """Join tapes into columns per fill."""
    columns: dict[str, list[np.ndarray]] = {}
    for tape in tapes:
        order = np.repeat(np.arange(tape.orders), np.diff(tape.first))
        for name in ("offset_ms", "symbol", "side", "seq"):
            columns.setdefault(name, []).append(getattr(tape, name)[order])
        for name in ("trade_id", "price", "size"):
            columns.setdefault(name, []).append(getattr(tape, name))
        begins = np.zeros(tape.fills, dtype=bool)
        begins[tape.first[:-1]] = True
        columns.setdefault("begins", []).append(begins)
    return {name: np.concatenate(parts) for name, parts in columns.items()}


def play(source: Market, seconds: float = SECONDS) -> dict[str, np.ndarray]:
    """Give the fills of the first seconds, and a little more."""
    tapes = [source.next_tape()]
    while not tapes[-1].orders or tapes[-1].offset_ms[-1] < seconds * 1000:
        tapes.append(source.next_tape())
    return joined(tapes)


@pytest.fixture(scope="module")
def fills() -> dict[str, np.ndarray]:
    """Give 33 minutes of the default market."""
    return play(market())


def of_symbol(fills: dict[str, np.ndarray], symbol: int) -> dict[str, np.ndarray]:
    """Give one symbol's fills."""
    mine = fills["symbol"] == symbol
    return {name: column[mine] for name, column in fills.items()}


def lag_1(values: np.ndarray) -> float:
    """Give the autocorrelation at lag 1."""
    return float(np.corrcoef(values[1:], values[:-1])[0, 1])


def test_same_seed_and_clock_give_the_same_tape() -> None:
    """Two markets with equal arguments agree bit for bit, tape after tape."""
    one, other = market(seed=7), market(seed=7)
    for _ in range(3):
        first, second = one.next_tape(), other.next_tape()
        for field in fields(Tape):
            assert getattr(first, field.name).tobytes() == getattr(second, field.name).tobytes()


def test_another_seed_gives_another_tape() -> None:
    """The seed decides: two seeds don't share a tape."""
    one, other = market(seed=1).next_tape(), market(seed=2).next_tape()
    assert one.offset_ms.tobytes() != other.offset_ms.tobytes()


def test_the_mean_rate_is_the_one_asked_for(fills: dict[str, np.ndarray]) -> None:
    """Over 33 minutes the trades per second are within a fifth of the rate."""
    rate = len(fills["price"]) / (fills["offset_ms"][-1] / 1000)
    assert 80 < rate < 120


def test_speed_multiplies_the_rate_and_nothing_else() -> None:
    """At speed 10 the same orders come in a tenth of the time."""
    slow, fast = market(seed=3).next_tape(), market(seed=3, speed=10.0).next_tape()
    assert np.array_equal(slow.price, fast.price)
    assert np.abs(slow.offset_ms / 10 - fast.offset_ms).max() <= 1


def test_activity_falls_like_the_rank(fills: dict[str, np.ndarray]) -> None:
    """The busiest symbol trades like a Zipf law says, and every symbol trades."""
    share = np.bincount(fills["symbol"], minlength=12) / len(fills["symbol"])
    expected = 1 / np.arange(1, 13)
    assert share.min() > 0
    assert share[0] == pytest.approx(expected[0] / expected.sum(), rel=0.35)


@pytest.mark.parametrize("symbol", [0, 1, 5])
def test_rows_share_milliseconds_like_recorded_ones(
    fills: dict[str, np.ndarray], symbol: int
) -> None:
    """Between 12 and 65 % of a symbol's rows have the previous row's millisecond."""
    times = of_symbol(fills, symbol)["offset_ms"]
    assert 0.12 <= np.mean(np.diff(times) == 0) <= 0.65


@pytest.mark.parametrize("symbol", [0, 1, 5])
def test_takers_are_persistent(fills: dict[str, np.ndarray], symbol: int) -> None:
    """Taker sides have a lag-1 autocorrelation between 0.4 and 0.85, row by row."""
    assert 0.4 <= lag_1(of_symbol(fills, symbol)["side"]) <= 0.85


@pytest.mark.parametrize("symbol", [0, 1, 5])
def test_returns_are_almost_uncorrelated(fills: dict[str, np.ndarray], symbol: int) -> None:
    """Trade-to-trade returns have a lag-1 autocorrelation between -0.12 and 0.1."""
    assert -0.12 <= lag_1(np.diff(np.log(of_symbol(fills, symbol)["price"]))) <= 0.1


def test_trades_come_in_bursts(fills: dict[str, np.ndarray]) -> None:
    """The busiest symbol's active seconds reach far above their mean, as recorded ones do."""
    times = of_symbol(fills, 0)["offset_ms"]
    per_second = np.unique(times // 1000, return_counts=True)[1]
    assert 18 * 4 <= np.percentile(per_second, 99) <= 205 * 1.5
    assert per_second.max() >= 10 * len(times) / SECONDS


def test_sweeps_walk_away_from_the_best_price(fills: dict[str, np.ndarray]) -> None:
    """Within an order prices never get better for the taker, and some sweeps move several ticks."""
    within = ~fills["begins"][1:]
    worse = (np.diff(fills["price"]) * fills["side"][1:])[within]
    assert worse.min() >= 0
    assert worse.max() > 1


def test_ids_are_unique_rise_per_symbol_and_are_not_dense(fills: dict[str, np.ndarray]) -> None:
    """Ids have 19 digits, never repeat, rise in each symbol and jump between orders."""
    ids = fills["trade_id"]
    assert len(np.unique(ids)) == len(ids)
    assert {len(str(value)) for value in ids[:1000].tolist()} == {19}
    steps = np.diff(of_symbol(fills, 0)["trade_id"])
    assert steps.min() == 1
    assert steps.max() > 1


def test_symbols_of_a_partition_share_its_counter(fills: dict[str, np.ndarray]) -> None:
    """The id's prefix names the partition, and a partition's ids rise in time over its symbols."""
    prefix = fills["trade_id"] // 10**16
    for value in np.unique(prefix):
        assert (np.diff(fills["trade_id"][prefix == value]) > 0).all()
    assert prefix.min() >= 220
    assert prefix.max() <= 229


def test_seq_is_equal_within_an_order_and_rises_between(fills: dict[str, np.ndarray]) -> None:
    """The fills of an order share `seq`; within a symbol it rises, but not by one."""
    mine = of_symbol(fills, 0)
    steps, begins = np.diff(mine["seq"]), mine["begins"][1:]
    assert (steps[~begins] == 0).all()
    assert (steps[begins] > 0).all()
    assert steps.max() > 1


def forward_moves(fills: dict[str, np.ndarray], horizon_ms: int) -> tuple[np.ndarray, np.ndarray]:
    """Give each order's flow of the last 50 orders and its later same-side price move, in ticks."""
    flows, moves = [], []
    for symbol in range(12):
        orders = {k: v[fills["begins"] & (fills["symbol"] == symbol)] for k, v in fills.items()}
        flow = np.convolve(orders["side"], np.ones(50), mode="full")[: len(orders["side"])]
        for side in (-1, 1):
            mine = np.flatnonzero(orders["side"] == side)
            times, prices = orders["offset_ms"][mine], orders["price"][mine]
            later = np.searchsorted(times, times + horizon_ms)
            known = later < len(times)
            move = prices[later[known]] - prices[known]
            flows.append(flow[mine][known])
            moves.append(move / move.std())
    return np.concatenate(flows), np.concatenate(moves)


def test_by_default_flow_says_nothing_about_the_future() -> None:
    """Without impact the flow's correlation with later same-side moves is nearly zero."""
    flow, move = forward_moves(play(market(seed=5), 5_000), 10_000)
    assert abs(np.corrcoef(flow, move)[0, 1]) < 0.04


def test_a_planted_effect_shows_in_the_flow() -> None:
    """With impact the flow goes before the price."""
    flow, move = forward_moves(play(market(seed=5, impact=0.4), 5_000), 10_000)
    assert np.corrcoef(flow, move)[0, 1] > 0.1


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    count=st.integers(1, len(UNIVERSE)),
    rate=st.floats(1, 20_000),
    impact=st.floats(0, 0.5),
)
def test_any_market_makes_well_formed_tapes(
    seed: int, count: int, rate: float, impact: float
) -> None:
    """Times ascend over tapes, prices and sizes are positive, orders own 1 to 400 fills."""
    source = Market(UNIVERSE[:count], rate=rate, seed=seed, start_ms=START_MS, impact=impact)
    last = 0
    for _ in range(3):
        tape = source.next_tape()
        assert tape.first[-1] == tape.fills == len(tape.price) == len(tape.size)
        if not tape.orders:
            continue
        assert tape.offset_ms[0] >= last
        assert (np.diff(tape.offset_ms) >= 0).all()
        assert tape.price.min() > 0
        assert tape.size.min() > 0
        sizes = np.diff(tape.first)
        assert sizes.min() >= 1
        assert sizes.max() <= MAX_FILLS
        last = int(tape.offset_ms[-1])


def test_mean_fills_matches_recorded_tapes() -> None:
    """An order has between 1.1 and 2.9 fills on average, as in the recorded tapes."""
    assert 1.1 < mean_fills() < 2.95
