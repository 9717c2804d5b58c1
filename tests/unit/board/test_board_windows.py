"""Sliding windows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.board.model import TradeDocument
from cryptostream.board.windows import (
    LATENCY_WINDOW_MS,
    MAX_LATENCY_MS,
    Latencies,
    Pressure,
    Rate,
    hop_times,
    quantile,
)

NOW = 1_795_305_600_000
TRADES = st.lists(
    st.tuples(st.integers(0, 90_000), st.floats(0.001, 1_000), st.sampled_from(["buy", "sell"])),
    max_size=80,
)


def document(time_ms: int, **clocks: int | None) -> TradeDocument:
    """Make a trade with the given clocks."""
    return TradeDocument(
        symbol="BTCUSDT",
        trade_id="1",
        price=1.0,
        size=1.0,
        side="buy",
        trade_time=time_ms,
        **clocks,
    )


@given(trades=TRADES)
def test_pressure_is_what_lies_in_the_window(trades: list[tuple[int, float, str]]) -> None:
    """For trades in order of time, each window sums those younger than its seconds."""
    pressure = Pressure()
    ordered = sorted(trades)
    for age, size, side in reversed(ordered):
        pressure.add(NOW - age, size, side)
    for seconds, amounts in pressure.amounts(NOW).items():
        for side in ("buy", "sell"):
            wanted = sum(size for age, size, of in ordered if of == side and age < seconds * 1000)
            assert getattr(amounts, side) == pytest.approx(wanted)


def test_pressure_fades_when_the_market_is_quiet() -> None:
    """Without new trades a live symbol's windows empty."""
    pressure = Pressure()
    pressure.add(NOW, 2.0, "buy")
    assert pressure.amounts(NOW)[10].buy == 2.0
    assert pressure.amounts(NOW + 11_000)[10].buy == 0.0
    assert pressure.amounts(NOW + 61_000)[60].buy == 0.0


def test_pressure_of_a_recording_ends_at_its_newest_trade() -> None:
    """Trades of last year have their windows in last year."""
    pressure = Pressure()
    pressure.add(NOW - 40_000_000_000, 2.0, "sell")
    assert pressure.amounts(NOW)[10].sell == 2.0


def test_each_hop_is_measured_from_the_clock_before() -> None:
    """Exchange, ingest, Kafka, stream, searchable and the total, in milliseconds."""
    trade = document(
        NOW, exchange_time=NOW + 5, ingest_time=NOW + 25, kafka_time=NOW + 28,
        stream_time=NOW + 128,
    )  # fmt: skip
    assert hop_times(trade, NOW + 328) == (5, 20, 3, 100, 200, 328)


def test_unknown_and_absurd_hops_are_left_out() -> None:
    """A missing clock, or a recording's age, is no latency; a clock that runs back is zero."""
    trade = document(NOW, ingest_time=NOW + MAX_LATENCY_MS + 1, kafka_time=NOW)
    assert hop_times(trade, NOW + 10) == (None, None, 0, None, None, 10)


def test_latencies_forget_after_their_window() -> None:
    """Only trades seen within the window count; without any there is nothing to show."""
    latencies = Latencies()
    for delay in range(1, 101):
        latencies.add(document(NOW - delay), NOW)
    assert latencies.quantiles(NOW)["total"] == (50, 95)
    assert latencies.quantiles(NOW + LATENCY_WINDOW_MS) == {}


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 1))
def test_a_quantile_is_one_of_the_values(values: list[float], share: float) -> None:
    """Nearest rank: at least `share` of the values are not above it."""
    ordered = sorted(values)
    found = quantile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6


def test_a_rate_is_per_second_of_the_window() -> None:
    """A board younger than the window divides by its age."""
    rate = Rate(NOW)
    rate.add(10, NOW + 2_000)
    assert rate.per_second(NOW + 2_000) == 5.0
    assert rate.per_second(NOW + 11_000) == 1.0
    assert rate.per_second(NOW + 12_000) == 0.0
