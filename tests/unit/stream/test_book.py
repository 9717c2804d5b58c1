"""The stream's book: micro-batches leave no trace, repeats count once, restarts change nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st
from support.trades import TIME_MS, a_record

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.stream.book import Book
from cryptostream.stream.journal import KEEP_STATES, Journal

if TYPE_CHECKING:
    from pathlib import Path

    from cryptostream.stream.records import Record

HORIZON_MS = 1_000
_RECORDS = st.lists(
    st.builds(
        lambda symbol, time, price, size, side: a_record(
            symbol=symbol, trade_time=time, price=str(price), size=str(size), side=side
        ),
        st.sampled_from(["AUSDT", "BUSDT"]),
        st.integers(TIME_MS, TIME_MS + 600_000),
        st.integers(1, 100_000),
        st.integers(1, 1_000),
        st.sampled_from(["buy", "sell"]),
    ),
    max_size=40,
)


def _tape(count: int, start: int = 0) -> list[Record]:
    return [
        a_record(trade_id=str(n), trade_time=TIME_MS + 137 * n, price=str(100 + n % 7))
        for n in range(start, start + count)
    ]


def _book() -> Book:
    return Book(horizon_ms=HORIZON_MS)


@given(_RECORDS, st.integers(0, 40))
def test_cuts_between_batches_change_nothing(records: list[Record], cut: int) -> None:
    """Two batches give bit for bit the vectors of one."""
    whole, parts = _book(), _book()
    assert whole.advance(records) == parts.advance(records[:cut]) + parts.advance(records[cut:])


def test_block_trades_leave_the_state_alone() -> None:
    """A block trade has no vector and does not touch the next trade's."""
    record, block = a_record(), a_record(block_trade=True, price="900000")
    book, plain = _book(), _book()
    first, nothing, second = book.advance([record, block, record])
    assert nothing is None
    assert [first, second] == plain.advance([record, record])
    assert first is not None
    assert len(first[0]) == FEATURE_COUNT


def test_a_repeated_trade_is_fresh_once() -> None:
    """Repeats within a batch and in later batches are dropped."""
    book, tape = _book(), _tape(3)
    assert book.fresh([*tape, tape[1]], 0) == tape
    assert book.fresh(tape, HORIZON_MS) == []


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 300)), max_size=60))
def test_memory_is_bounded_by_the_horizon(steps: list[tuple[int, int]]) -> None:
    """However long it runs, the book remembers no id older than the horizon."""
    book, now = _book(), 0
    for number, wait in steps:
        now += wait
        book.fresh(_tape(1, start=number), now)
        assert all(time >= now - HORIZON_MS for time in book.seen.values())


def test_a_restored_book_goes_on_as_if_nothing_happened(tmp_path: Path) -> None:
    """After a restore vectors are equal bit for bit, and repeats are still known."""
    book, tape = _book(), _tape(50)
    first = book.fresh(tape[:30], 500)
    book.advance(first)
    journal = Journal(tmp_path, horizon_ms=HORIZON_MS)
    journal.save(4, book, [one.identity for one in first], 500)
    restored = Journal(tmp_path, horizon_ms=HORIZON_MS).before(5)
    again = restored.fresh(tape[20:], 600)
    assert again == tape[30:]
    assert restored.advance(again) == book.advance(tape[30:])


def test_a_replayed_batch_ignores_its_own_journal(tmp_path: Path) -> None:
    """Batch 5 run again starts from what batch 4 left, not from its own files."""
    journal, book = Journal(tmp_path, horizon_ms=HORIZON_MS), _book()
    for batch_id, tape in ((4, _tape(3)), (5, _tape(3, start=3))):
        fresh = book.fresh(tape, batch_id)
        book.advance(fresh)
        journal.save(batch_id, book, [one.identity for one in fresh], batch_id)
    replayed, straight = journal.before(5), _book()
    straight.advance(straight.fresh(_tape(3), 4))
    assert replayed.fresh(_tape(3, start=3), 5) == _tape(3, start=3)
    assert replayed.advance(_tape(3, start=3)) == straight.advance(_tape(3, start=3))


def test_old_files_are_dropped(tmp_path: Path) -> None:
    """However long the stream runs, only the newest states and the horizon's ids stay on disk."""
    journal, book = Journal(tmp_path, horizon_ms=HORIZON_MS), _book()
    for batch_id in range(50):
        journal.save(batch_id, book, [], batch_id * 100)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert [name for name in kept if "states" in name] == sorted(
        f"{n}.states.json" for n in range(50 - KEEP_STATES, 50)
    )
    assert len([name for name in kept if "seen" in name]) == HORIZON_MS // 100 + 1


def test_a_torn_file_is_passed_over(tmp_path: Path) -> None:
    """An unreadable file is skipped for the one before; with none left the states are cold."""
    journal, book = Journal(tmp_path, horizon_ms=HORIZON_MS), _book()
    book.advance(_tape(1))
    journal.save(1, book, ["a"], 0)
    (tmp_path / "2.states.json").write_text('{"features_hash":')
    (tmp_path / "2.seen.json").write_text("[]")
    assert journal.before(3).states == book.states
    (tmp_path / "1.states.json").write_text("[]")
    assert journal.before(3).states == {}
    assert journal.before(3).seen == {"a": 0}


def test_states_of_other_features_are_not_used(tmp_path: Path) -> None:
    """States of another feature list are passed over."""
    (tmp_path / "1.states.json").write_text('{"features_hash": "other", "states": {"a": [1.0]}}')
    assert Journal(tmp_path, horizon_ms=HORIZON_MS).before(2).states == {}
