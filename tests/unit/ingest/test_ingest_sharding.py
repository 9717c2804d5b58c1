"""Sharding by hand: every symbol has exactly one owner, or as many as asked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.sharding import Shard, owned

SYMBOLS = st.lists(st.text("ABCDEFGHIJ0123456789", min_size=1, max_size=15), unique=True)
COUNTS = st.integers(1, 12)
MANY = [f"COIN{number}USDT" for number in range(500)]


@given(SYMBOLS, COUNTS)
def test_every_symbol_has_exactly_one_owner(symbols: list[str], count: int) -> None:
    """The shards' parts cover the symbols and don't overlap."""
    parts = [owned(symbols, Shard(index, count)) for index in range(count)]
    assert sorted(name for part in parts for name in part) == sorted(symbols)


@given(SYMBOLS, st.integers(2, 12))
def test_two_replicas_give_two_owners(symbols: list[str], count: int) -> None:
    """Each symbol is read by two shards."""
    parts = [owned(symbols, Shard(index, count), replicas=2) for index in range(count)]
    assert sorted(name for part in parts for name in part) == sorted([*symbols, *symbols])


@pytest.mark.parametrize("count", [2, 3, 8])
def test_shards_are_about_equal(count: int) -> None:
    """500 symbols spread within a tenth of the mean."""
    sizes = [len(owned(MANY, Shard(index, count))) for index in range(count)]
    assert sum(sizes) == len(MANY)
    assert max(sizes) <= 1.1 * len(MANY) / count, sizes


def test_a_single_shard_owns_all_in_their_order() -> None:
    """Without sharding nothing is lost or moved about."""
    assert owned(MANY, Shard(0, 1)) == MANY


def test_the_names_of_the_shards_carry_their_number() -> None:
    """An instance's name is one of its members' names."""
    assert Shard(1, 3).name == "static-1/3"
    assert Shard(1, 3).members == ("static-0/3", "static-1/3", "static-2/3")


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
