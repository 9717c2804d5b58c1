"""Candles of five intervals: true to the trades, in whatever order and cut these come."""

from __future__ import annotations

from collections import defaultdict
from fractions import Fraction
from itertools import pairwise
from math import fsum, log, sqrt
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.contracts.messages import INTERVAL_MS, Candle
from cryptostream.stream.bars import Fill
from cryptostream.stream.candlesticks import KEPT, Candles

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

KEY = ("bybit", "spot", "BTCUSDT")
START = 1_795_392_000_000
LATENESS_MS = 2_000
ALWAYS = dict.fromkeys(INTERVAL_MS, 0)

_FILLS = st.lists(
    st.builds(
        lambda wait, price, size, bought: (wait, price / 100, size / 1_000, bought),
        st.sampled_from([0, 0, 1, 300, 900, 30_000, 400_000]),
        st.integers(1, 2_000),
        st.integers(1, 5_000),
        st.booleans(),
    ),
    min_size=1,
    max_size=60,
)


def _tape(rows: Sequence[tuple[int, float, float, bool]]) -> list[Fill]:
    """Make trades in order; some share a millisecond."""
    time_ms, tape = START, []
    for seq, (wait, price, size, bought) in enumerate(rows):
        time_ms += wait
        tape.append(Fill(time_ms, seq, price, size, bought))
    return tape


def _buy(time: int, seq: int, price: float, size: float) -> Fill:
    return Fill(time, seq, price, size, bought=True)


def _plain(fills: Sequence[Fill]) -> dict[tuple[str, int], dict[str, float]]:
    """Compute every candle from its own trades alone, sums exact."""
    groups: dict[tuple[str, int], list[Fill]] = defaultdict(list)
    for fill in sorted(fills, key=lambda one: (one.time, one.seq)):
        for name, length in INTERVAL_MS.items():
            groups[name, fill.time // length * length].append(fill)
    return {key: _one(group) for key, group in groups.items()}


def _one(group: Sequence[Fill]) -> dict[str, float]:
    prices = [fill.price for fill in group]
    buys = sum((Fraction(fill.size) for fill in group if fill.bought), Fraction())
    sells = sum((Fraction(fill.size) for fill in group if not fill.bought), Fraction())
    turnover = sum(Fraction(fill.price) * Fraction(fill.size) for fill in group)
    moves = [log(after / before) for before, after in pairwise(prices)]
    return {
        "open": prices[0],
        "high": max(prices),
        "low": min(prices),
        "close": prices[-1],
        "volume": float(buys + sells),
        "turnover": float(turnover),
        "vwap": float(turnover / (buys + sells)),
        "trades": len(group),
        "buy_volume": float(buys),
        "sell_volume": float(sells),
        "ofi": float((buys - sells) / (buys + sells)),
        "volatility": sqrt(fsum(move * move for move in moves)),
    }


def _check(found: dict[tuple[str, int], Candle], fills: Sequence[Fill], *without: str) -> None:
    expected = _plain(fills)
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        got = {name: getattr(found[key], name) for name in values if name not in without}
        want = {name: value for name, value in values.items() if name not in without}
        assert got == pytest.approx(want, rel=1e-9, abs=1e-12), key


def _by_key(candles: Sequence[Candle]) -> dict[tuple[str, int], Candle]:
    return {(one.interval, one.start): one for one in candles}


@given(_FILLS, st.lists(st.integers(0, 60), max_size=6))
def test_every_candle_is_what_its_trades_say(
    rows: list[tuple[int, float, float, bool]], cuts: list[int]
) -> None:
    """Whatever is given last of each candle equals a computation from its trades alone."""
    tape, candles, last = _tape(rows), Candles(KEY), {}
    edges = sorted({0, len(tape), *(cut for cut in cuts if cut < len(tape))})
    for begin, end in pairwise(edges):
        assert [candles.add(fill) for fill in tape[begin:end]] == [None] * (end - begin)
        last |= _by_key(candles.close(tape[end - 1].time - LATENESS_MS))
        last |= _by_key(candles.open_changes(end, ALWAYS))
    _check(last, tape)
    for (interval, start), candle in last.items():
        assert candle.final == (start + INTERVAL_MS[interval] <= tape[-1].time - LATENESS_MS)


@given(_FILLS, st.randoms(use_true_random=False), st.integers(1, 60))
def test_the_order_of_arrival_changes_no_bit(
    rows: list[tuple[int, float, float, bool]], random: Random, cut: int
) -> None:
    """As long as no trade is late, final candles are equal bit for bit in any order and cut."""
    tape = _tape(rows)
    shuffled = list(tape)
    random.shuffle(shuffled)
    straight, mixed = Candles(KEY), Candles(KEY)
    for fill in tape:
        straight.add(fill)
    for fill in shuffled[:cut]:
        mixed.add(fill)
    mixed.open_changes(0, ALWAYS)
    for fill in shuffled[cut:]:
        mixed.add(fill)
    end = tape[-1].time + INTERVAL_MS["1h"]
    assert straight.close(end) == mixed.close(end)


@settings(max_examples=50)
@given(_FILLS, st.sets(st.integers(0, 59), max_size=5))
def test_late_trades_correct_what_is_kept(
    rows: list[tuple[int, float, float, bool]], late: set[int]
) -> None:
    """After late trades all but volatility is true again, and final candles count them."""
    tape = _tape(rows)
    tape = [fill for fill in tape if fill.time - tape[0].time < (KEPT["1s"] - 1) * 1_000]
    held = [fill for number, fill in enumerate(tape) if number in late]
    candles, last = Candles(KEY), {}
    for fill in tape:
        if fill not in held:
            candles.add(fill)
    watermark = tape[-1].time - tape[-1].time % 1_000
    last |= _by_key(candles.close(watermark)) | _by_key(candles.open_changes(0, ALWAYS))
    outcomes = [candles.add(fill) for fill in held]
    last |= _by_key(candles.corrections()) | _by_key(candles.open_changes(1, ALWAYS))
    _check(last, tape, "volatility")
    behind = [fill for fill in held if fill.time // 1_000 * 1_000 < watermark]
    assert outcomes.count("corrected") == len(behind)
    assert sum(one.late for one in last.values() if one.interval == "1s") == len(behind)


def test_a_trade_beyond_the_kept_seconds_corrects_longer_candles_only() -> None:
    """Its second is gone; the hour it belongs to is open and takes it."""
    candles = Candles(KEY)
    candles.add(_buy(START, 1, 10.0, 1.0))
    candles.close(START + (KEPT["1s"] + 1) * 1_000)
    assert candles.add(_buy(START + 5, 2, 11.0, 1.0)) == "dropped"
    changed = _by_key(candles.open_changes(0, ALWAYS)) | _by_key(candles.corrections())
    assert ("1s", START) not in changed
    assert changed["1h", START].trades == 2
    assert changed["1m", START].late == 1


def test_open_candles_are_given_at_most_so_often() -> None:
    """A change within the pause waits, and comes with the first look after it."""
    candles, pause = Candles(KEY), dict.fromkeys(INTERVAL_MS, 1_000)
    candles.add(_buy(START, 1, 10.0, 1.0))
    assert len(candles.open_changes(5_000, pause)) == len(INTERVAL_MS)
    candles.add(_buy(START + 1, 2, 11.0, 1.0))
    assert candles.open_changes(5_999, pause) == []
    assert {one.close for one in candles.waiting()} == {11.0}
    assert {one.close for one in candles.open_changes(6_000, pause)} == {11.0}
    assert not candles.is_pending


def test_memory_is_bounded_by_what_is_kept() -> None:
    """However long it runs, no candle older than its horizon is held."""
    candles = Candles(KEY)
    for number in range(2_000):
        time_ms = START + number * 7_000
        candles.add(_buy(time_ms, number, 10.0, 1.0))
        candles.close(time_ms - LATENESS_MS)
    for interval, bars in candles.state.bars.items():
        assert len(bars) <= KEPT[interval] + 2
    assert len(candles.state.seconds) <= LATENESS_MS // 1_000 + 1
