"""Instruments and decimal text."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.contracts.errors import SettingsError
from cryptostream.simulator.instruments import UNIVERSE, choose_instruments, decimal_text


@settings(deadline=None)
@given(st.integers(1, 10**18), st.integers(0, 18))
def test_decimal_text_is_exact_and_trimmed(units: int, decimals: int) -> None:
    """The text has the exact value, no exponent, and no trailing zero after the point."""
    text = decimal_text(units, decimals)
    assert Decimal(text) == Decimal(units).scaleb(-decimals)
    assert set(text) <= set("0123456789.")
    assert not text.endswith(".")
    assert "." not in text or not text.endswith("0")


def test_the_default_universe_has_twelve_symbols_btc_first() -> None:
    """Naming no symbol gives twelve USDT pairs, the busiest first."""
    chosen = choose_instruments(())
    assert len(chosen) == 12
    assert chosen[0].symbol == "BTCUSDT"
    assert {instrument.quote for instrument in chosen} == {"USDT"}


def test_symbols_come_in_the_order_asked_for() -> None:
    """The first named symbol is the busiest."""
    chosen = choose_instruments(("LTCUSDT", "BTCUSDT"))
    assert [instrument.symbol for instrument in chosen] == ["LTCUSDT", "BTCUSDT"]


@pytest.mark.parametrize("names", [("NOPEUSDT",), ("BTCUSDT", "BTCUSDT")])
def test_wrong_symbols_are_refused_by_name(names: tuple[str, ...]) -> None:
    """An unknown or repeated symbol is an error that names it."""
    with pytest.raises(SettingsError, match=names[0]):
        choose_instruments(names)


def test_steps_of_the_universe_are_consistent() -> None:
    """Every pair's name splits into base and quote, and its price is thousands of ticks."""
    for instrument in UNIVERSE:
        assert instrument.base + instrument.quote == instrument.symbol
        assert instrument.start_ticks >= 1_000
        assert 0 <= instrument.partition < 10
