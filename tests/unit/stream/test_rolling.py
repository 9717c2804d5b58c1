"""Rolling statistics against a naive computation over all trades."""

from __future__ import annotations

import copy
import json
import math
import random
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.contracts.mappings import PROPERTIES
from cryptostream.stream.rolling import MIN_CORRELATION_PAIRS, WINDOWS, Rolling

START = 1_795_000_200_000
DAY_MS = 86_400_000
Tape = list[tuple[int, float, float]]


def fed(tape: Tape, **options: Any) -> Rolling:
    """Give a rolling that took the tape's trades in order of arrival."""
    rolling = Rolling(**options)
    for time_ms, price, size in tape:
        rolling.add(time_ms, price, size, 1)
    return rolling


def market(count: int, *, seed: int, mean_wait_ms: int = 2_000, late: float = 0.0) -> Tape:
    """Make a walk of trades; a share of them arrives late by up to a minute."""
    draw, time_ms, price, tape = random.Random(seed), START, 100.0, []
    for _ in range(count):
        time_ms += int(draw.expovariate(1 / mean_wait_ms))
        price *= 1 + draw.gauss(0, 1e-4)
        behind = draw.randint(1, 60_000) if draw.random() < late else 0
        tape.append((max(START, time_ms - behind), price, draw.lognormvariate(0, 1)))
    return tape


def naive(tape: Tape, now_ms: int, window: str) -> dict[str, float]:
    """Compute a window's statistics from all the trades, the plain way."""
    length, count = WINDOWS[window]
    start = ((now_ms - 1) // length - count + 1) * length
    end = start + length * count
    inside = [trade for trade in tape if start <= trade[0] < end]
    closes, before = naive_closes(tape, length, start, end)
    path = [before or tape[0][1], *closes.values()]
    returns = [math.log(b / a) for a, b in pairwise(path)]
    since = tape[0][0]
    return {
        "volume": sum(size for _, _, size in inside),
        "turnover": sum(price * size for _, price, size in inside),
        "trades": len(inside),
        "rate": len(inside) / ((now_ms - start) / 1000),
        "return_bps": (path[-1] / path[0] - 1) * 1e4,
        "volatility_bps": math.sqrt(sum(one * one for one in returns)) * 1e4,
        "coverage": min(1.0, max(0.0, (now_ms - since) / (now_ms - start))),
        **({"high": max(p for _, p, _ in inside), "low": min(p for _, p, _ in inside)}
           if inside else {}),
    }  # fmt: skip


def naive_closes(tape: Tape, length: int, start: int, end: int) -> tuple[dict[int, float], float]:
    """Give the close of each bucket in [start, end), and the last price before it.

    A trade older than the newest one before it in the order of arrival sets no close.
    """
    newest, closes, before = 0, {}, 0.0
    for time_ms, price, _ in tape:
        if time_ms < newest:
            continue
        newest = time_ms
        if time_ms < start:
            before = price
        elif time_ms < end:
            closes[time_ms // length] = price
    return dict(sorted(closes.items())), before


def assert_equal(found: dict[str, Any], expected: dict[str, float]) -> None:
    """Hold a document against the naive values."""
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-9, abs=1e-7), (found["window"], name)


@pytest.mark.parametrize(
    ("count", "wait_ms", "late"),
    [(3_000, 100, 0.0), (3_000, 2_000, 0.1), (2_000, 120_000, 0.0), (400, 900_000, 0.2)],
)
def test_statistics_equal_naive_ones(count: int, wait_ms: int, late: float) -> None:
    """At any time of a busy, a usual and a thin market, with late trades or without."""
    tape = market(count, seed=count + wait_ms, mean_wait_ms=wait_ms, late=late)
    rolling, step = Rolling(), max(1, count // 40)
    for number, trade in enumerate(tape, start=1):
        rolling.add(*trade, 1)
        if number % step == 0:
            now = max(time_ms for time_ms, _, _ in tape[:number]) + 1
            for found in rolling.statistics(now, None):
                assert_equal(found, naive(tape[:number], now, found["window"]))


@settings(max_examples=60, deadline=None)
@given(
    waits=st.lists(
        st.tuples(
            st.sampled_from([0, 1, 9_999, 10_000, 61_000, 600_000, 7_200_000, DAY_MS]),
            st.integers(0, 40_000_000),
            st.floats(1e-6, 1e6),
            st.floats(1e-3, 1e3),
        ),
        min_size=1,
        max_size=60,
    ),
    after=st.integers(1, 2 * DAY_MS),
)
def test_statistics_equal_naive_ones_on_any_tape(
    waits: list[tuple[int, int, float, float]], after: int
) -> None:
    """Whatever the pauses and however late a trade is, up to what the longest window reaches."""
    time_ms, tape = START, []
    for number, (wait, behind, price, size) in enumerate(waits):
        time_ms += wait
        late = behind if number % 3 == 2 else 0
        tape.append((max(START, time_ms - late), price, size))
    now = time_ms + after
    for found in fed(tape).statistics(now, None):
        assert_equal(found, naive(tape, now, found["window"]))


def test_the_documents_have_the_declared_fields() -> None:
    """What the caller adds aside, each field is one of the mapping, and none is missing."""
    tape = market(4_000, seed=4, mean_wait_ms=5_000)
    reference = fed([(time_ms, price**1.5, size) for time_ms, price, size in tape])
    for found in fed(tape).statistics(tape[-1][0] + 1, reference):
        missing = set(PROPERTIES["rolling"]) - set(found)
        assert missing == {"exchange", "category", "symbol", "reference"}
        assert set(found) <= set(PROPERTIES["rolling"])


def test_correlation_is_that_of_aligned_returns() -> None:
    """Pearson's over the buckets in which both traded, as numpy computes it."""
    ours, theirs = (
        market(900, seed=21, mean_wait_ms=4_000),
        market(900, seed=22, mean_wait_ms=4_000),
    )
    mixed = [
        (time_ms, price * math.sqrt(other), size)
        for (time_ms, price, size), (_, other, _) in zip(ours, theirs, strict=True)
    ]
    now = max(mixed[-1][0], theirs[-1][0])
    a, b = fed(mixed), fed(theirs)
    for found in a.statistics(now, b):
        length, count = WINDOWS[found["window"]]
        start = ((now - 1) // length - count + 1) * length
        x, _ = naive_closes(mixed, length, start, start + length * count)
        y, _ = naive_closes(theirs, length, start, start + length * count)
        common = sorted(x.keys() & y.keys())
        if len(common) <= MIN_CORRELATION_PAIRS:
            assert "correlation" not in found
            continue
        moves = [np.diff(np.log([tape[number] for number in common])) for tape in (x, y)]
        assert found["correlation"] == pytest.approx(np.corrcoef(*moves)[0, 1], abs=1e-9)


def test_correlation_with_itself_is_one() -> None:
    """And with its mirror image minus one."""
    tape = market(1_000, seed=30)
    mirror = [(time_ms, 1e4 / price, size) for time_ms, price, size in tape]
    now = tape[-1][0] + 1
    assert fed(tape).statistics(now, fed(tape))[1]["correlation"] == pytest.approx(1.0)
    assert fed(tape).statistics(now, fed(mirror))[1]["correlation"] == pytest.approx(-1.0)


def test_too_few_or_constant_returns_have_no_correlation() -> None:
    """No number is better than one that rests on nothing."""
    few = [(START + number * 10_000, 100.0 + number, 1.0) for number in range(10)]
    steady = [(START + number * 10_000, 1.001**number, 1.0) for number in range(100)]
    walk = [(START + number * 10_000, 100.0 + number % 7, 1.0) for number in range(100)]
    assert "correlation" not in fed(few).statistics(few[-1][0] + 1, fed(walk))[0]
    assert "correlation" not in fed(steady).statistics(steady[-1][0] + 1, fed(walk))[0]


def test_a_window_without_trades_keeps_its_last_price() -> None:
    """Silence is zero volume and no move; there is no high and no low of nothing."""
    tape = market(500, seed=40)
    found = fed(tape).statistics(tape[-1][0] + 900_000, None)[0]
    assert found["trades"] == found["volume"] == found["rate"] == 0
    assert found["return_bps"] == found["volatility_bps"] == 0.0
    assert "high" not in found
    assert found["warm"]


def test_without_any_trade_only_totals_are_told() -> None:
    """Before the first trade nothing is known of the price, and nothing is covered."""
    for found in Rolling().statistics(START, None):
        assert found["trades"] == 0
        assert found["coverage"] == 0.0
        assert "return_bps" not in found


def test_a_window_is_warm_once_it_was_seen_whole() -> None:
    """Coverage grows from the first trade, or from when trades are known to be complete."""
    tape = [(START, 100.0, 1.0), (START + 1, 100.0, 1.0)]
    five = fed(tape).statistics(START + 150_000, None)[0]
    assert five["coverage"] == pytest.approx(0.5)
    assert not five["warm"]
    assert fed(tape, since_ms=START - DAY_MS).statistics(START + 10_000, None)[0]["warm"]
    assert fed(tape).statistics(START + 300_000, None)[0]["warm"]


def test_a_late_trade_counts_but_sets_no_price() -> None:
    """Volume, high and low take it in; the return sees prices as they were known."""
    rolling = fed([(START, 100.0, 1.0), (START + 30_000, 101.0, 1.0)])
    rolling.add(START + 5_000, 300.0, 2.0, -1)
    found = rolling.statistics(START + 30_001, None)[0]
    assert (found["volume"], found["trades"], found["high"]) == (4.0, 3, 300.0)
    assert found["return_bps"] == pytest.approx(100.0)


def test_asking_changes_nothing() -> None:
    """Statistics may be asked for at any time, also of a time gone by."""
    rolling = fed(market(700, seed=50, late=0.1))
    before = copy.deepcopy(rolling.state())
    for behind in (0, 1, 10_000, 300_000, DAY_MS):
        rolling.statistics(rolling.state()["newest"] - behind, rolling)
    assert rolling.state() == before


@pytest.mark.parametrize("cut", [0, 1, 2, 500, 999])
def test_state_goes_through_json_bit_for_bit(cut: int) -> None:
    """Whenever it is saved, what is restored goes on as if nothing had happened."""
    tape = market(1_000, seed=60, mean_wait_ms=30_000, late=0.1)
    first = fed(tape[:cut])
    second = Rolling(json.loads(json.dumps(first.state())))
    for number, trade in enumerate(tape[cut:]):
        first.add(*trade, 1)
        second.add(*trade, 1)
        if number % 50 == 0:
            now = first.state()["newest"] + 1
            assert second.statistics(now, second) == first.statistics(now, first)
    assert second.state() == first.state()


def test_state_is_bounded() -> None:
    """A day of trades or a week: the buckets of the longest windows, and no more."""
    draw = random.Random(70)
    busy = [(START + number * 5_000, draw.uniform(1, 2), draw.random()) for number in range(60_000)]
    assert len(json.dumps(fed(busy).state())) < 32_000
