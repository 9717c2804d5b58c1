"""Sharding: every symbol has exactly one owner, and little moves when shards come."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.sharding import Shard, owned, owner

SYMBOLS = st.lists(st.text("ABCDEFGHIJ0123456789", min_size=1, max_size=15), unique=True)
COUNTS = st.integers(1, 12)
MANY = [f"COIN{number}USDT" for number in range(500)]


@given(SYMBOLS, COUNTS)
def test_every_symbol_has_exactly_one_owner(symbols: list[str], count: int) -> None:
    """The shards' parts cover the symbols and don't overlap."""
    parts = [owned(symbols, Shard(index, count)) for index in range(count)]
    assert sorted(name for part in parts for name in part) == sorted(symbols)


@given(SYMBOLS, COUNTS)
def test_a_further_shard_only_takes(symbols: list[str], count: int) -> None:
    """With one shard more, a symbol stays where it was or moves to the new one."""
    for symbol in symbols:
        assert owner(symbol, count + 1) in {owner(symbol, count), count}


@pytest.mark.parametrize("count", [2, 3, 8])
def test_shards_are_about_equal(count: int) -> None:
    """500 symbols spread within a third of the mean."""
    sizes = Counter(owner(symbol, count) for symbol in MANY)
    mean = len(MANY) / count
    assert len(sizes) == count
    assert all(abs(size - mean) < mean / 3 for size in sizes.values()), sizes


def test_owners_are_the_same_in_every_process() -> None:
    """The owner depends on names alone, not on Python's seeded hash."""
    assert [owner(symbol, 3) for symbol in ("BTCUSDT", "ETHUSDT", "SOLUSDT")] == [2, 1, 1]


@given(COUNTS, st.integers(0, 11))
def test_a_shard_is_read_as_it_is_written(count: int, index: int) -> None:
    """`i/n` there and back; an index outside is an error."""
    if index < count:
        assert Shard.parse(str(Shard(index, count))) == Shard(index, count)
    else:
        with pytest.raises(ValueError, match=f"{index}/{count}"):
            Shard.parse(f"{index}/{count}")


@pytest.mark.parametrize("text", ["", "1", "0/0", "1/1", "-1/2", "a/b", "0/1/2", "0/99999", " 0/1"])
def test_what_is_no_shard_is_refused(text: str) -> None:
    """A clear error instead of a shard that owns nothing."""
    with pytest.raises(ValueError, match="shard"):
        Shard.parse(text)
