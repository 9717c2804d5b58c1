"""Reading positions."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.board.cursor import GRACE_POLLS, NOTHING, Cursor, Cursors


@given(delays=st.lists(st.integers(0, GRACE_POLLS - 1), max_size=60), per_poll=st.integers(1, 9))
def test_each_write_is_taken_once_though_it_shows_up_late(delays: list[int], per_poll: int) -> None:
    """A write that becomes searchable within the grace is given once, whatever the order."""
    visible = {seq: seq // per_poll + delay for seq, delay in enumerate(delays)}
    cursor, taken = Cursor(), []
    for poll in range(len(delays) // per_poll + 3 * GRACE_POLLS):
        asked = [seq for seq, at in visible.items() if at <= poll and seq > cursor.floor]
        taken += [seq for seq in asked if cursor.take(seq)]
        cursor.settle()
    assert sorted(taken) == list(range(len(delays)))
    assert cursor.floor == len(delays) - 1


def test_a_hole_that_never_fills_is_given_up() -> None:
    """A document updated twice leaves a hole; the floor passes it after the grace."""
    cursor = Cursor()
    cursor.take(0)
    cursor.take(2)
    cursor.settle()
    assert cursor.floor == 0
    for _ in range(GRACE_POLLS):
        cursor.settle()
    assert cursor.floor == 2
    assert not cursor.take(2)


def test_only_the_newest_index_is_read_again_at_the_start() -> None:
    """The start reads `backfill` writes of the newest day again and none of older days."""
    cursors = Cursors()
    cursors.start({"crypto-trades-2026.11.21": 900, "crypto-trades-2026.11.22": 50}, backfill=20)
    assert cursors.floors() == {"crypto-trades-2026.11.21": 900, "crypto-trades-2026.11.22": 30}


def test_an_unknown_index_is_read_from_its_first_write() -> None:
    """A new day's index begins at its first document."""
    cursors = Cursors()
    assert cursors.take("crypto-trades-2026.11.23", 0)
    cursors.settle()
    assert cursors.floors() == {"crypto-trades-2026.11.23": 0}


def test_an_index_made_anew_is_read_again() -> None:
    """Deleted and recreated, an index numbers its writes from 0: the cursor follows."""
    cursors = Cursors()
    cursors.start({"gone": 7, "anew": 500, "same": 3}, backfill=0)
    cursors.rebase(cursors.tops(), {"anew": 2, "same": 9}, backfill=100)
    assert cursors.floors() == {"anew": NOTHING, "same": 3}
