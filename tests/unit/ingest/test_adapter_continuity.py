"""Trade ids: what is new passes once, what is known does not, what lacks is counted."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.ingest.adapters.continuity import MEMORY, Continuity


def test_the_first_trade_misses_nothing() -> None:
    """Nobody knows what was before."""
    assert Continuity().admit(1_000_000) == 0


def test_a_jump_is_counted_and_a_late_trade_still_passes() -> None:
    """7 after 3 lacks three; 5 is new when it comes after all, and known after that."""
    ids = Continuity()
    assert [ids.admit(number) for number in (3, 7, 5, 5, 3, 8)] == [0, 3, 0, None, None, 0]


def test_a_record_of_several_ids_leaves_no_hole() -> None:
    """Three matches joined under the last id follow the one before them."""
    ids = Continuity()
    assert [ids.admit(10), ids.admit(13, span=3), ids.admit(20, span=3)] == [0, 0, 4]


@given(st.lists(st.integers(0, 300), max_size=400))
def test_every_id_passes_exactly_once(numbers: list[int]) -> None:
    """In any order, as long as the memory reaches."""
    ids = Continuity()
    passed = [number for number in numbers if ids.admit(number) is not None]
    assert sorted(passed) == sorted(set(numbers))


@given(st.sets(st.integers(0, 500), min_size=1))
def test_in_order_the_jumps_add_up_to_what_lacks(numbers: set[int]) -> None:
    """Of the ids between the first and the last, each is received or missing."""
    ids = Continuity()
    missing = sum(ids.admit(number) or 0 for number in sorted(numbers))
    assert missing == max(numbers) - min(numbers) + 1 - len(numbers)


def test_the_memory_is_bounded_and_what_is_older_counts_as_known() -> None:
    """A million ids leave no more than the bound behind."""
    ids = Continuity()
    for number in range(MEMORY * 3):
        assert ids.admit(number) == 0
        assert len(ids._seen) <= MEMORY
    assert ids.admit(5) is None
