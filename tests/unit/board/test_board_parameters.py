"""The API's parameters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.board.params import (
    MAX_CANDLES,
    BadParameterError,
    read_interval,
    read_limit,
    read_minutes,
    read_symbol,
)


@given(st.text(max_size=80))
def test_a_symbol_is_taken_or_refused_with_its_name(text: str) -> None:
    """Any text is a plain symbol or a documented error."""
    plain = re.fullmatch(
        r"([A-Za-z0-9_.@+-]{1,64}:){2}[A-Za-z0-9_.@+-]{1,64}|[A-Za-z0-9_.@+-]{1,64}", text
    )
    if plain:
        assert read_symbol({"symbol": text}) == text
    else:
        with pytest.raises(BadParameterError, match="symbol: "):
            read_symbol({"symbol": text})


def test_defaults_are_an_hour_of_minutes() -> None:
    """Only the symbol has to be given."""
    assert read_interval({}) == "1m"
    assert read_minutes({}, "1m") == 60
    assert read_limit({}) == 100
    with pytest.raises(BadParameterError, match="symbol"):
        read_symbol({})


@pytest.mark.parametrize(
    "minutes", ["0", "-1", "1.5", "1e3", "", " 5", "\u0665", "99999999999", "61"]
)
def test_minutes_are_whole_and_bounded(minutes: str) -> None:
    """A chart of seconds has at most an hour of them."""
    assert MAX_CANDLES == 60 * 60
    with pytest.raises(BadParameterError, match="whole number from 1 to 60"):
        read_minutes({"minutes": minutes}, "1s")


def test_an_interval_that_is_not_kept_is_refused() -> None:
    """The error names the intervals there are."""
    with pytest.raises(BadParameterError, match="1s, 1m"):
        read_interval({"interval": "7m"})
