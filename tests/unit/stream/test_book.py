"""Feature states of the stream: micro-batches leave no trace, and survive a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.stream.book import FeatureBook
from cryptostream.stream.snapshots import KEEP, Snapshots

if TYPE_CHECKING:
    from pathlib import Path

_ROW = st.builds(
    lambda symbol, wait, price, size, side: {
        "exchange": "bybit",
        "category": "spot",
        "symbol": symbol,
        "trade_time": wait,
        "price": price,
        "size": size,
        "side": side,
        "block_trade": False,
    },
    st.sampled_from(["AUSDT", "BUSDT"]),
    st.integers(1_700_000_000_000, 1_700_000_600_000),
    st.floats(0.0001, 100_000.0),
    st.floats(0.0001, 1_000.0),
    st.sampled_from(["buy", "sell"]),
)


@given(st.lists(_ROW, max_size=40), st.integers(0, 40))
def test_cuts_between_batches_change_nothing(rows: list[dict[str, Any]], cut: int) -> None:
    """Two batches give bit for bit the vectors of one."""
    whole, parts = FeatureBook(), FeatureBook()
    assert whole.advance(rows) == parts.advance(rows[:cut]) + parts.advance(rows[cut:])


def test_block_trades_leave_the_state_alone() -> None:
    """A block trade has no vector and does not touch the next trade's."""
    row = _row("AUSDT", 1_700_000_000_000)
    book, plain = FeatureBook(), FeatureBook()
    first, block, second = book.advance([row, {**row, "block_trade": True, "price": 9e9}, row])
    assert block is None
    assert [first, second] == plain.advance([row, row])
    assert first is not None
    assert len(first[0]) == FEATURE_COUNT


def test_a_restored_book_goes_on_as_if_nothing_happened(tmp_path: Path) -> None:
    """Vectors after a restore equal bit for bit those without one."""
    rows = [_row("AUSDT", 1_700_000_000_000 + 137 * n, price=100 + n % 7) for n in range(50)]
    book = FeatureBook()
    book.advance(rows[:30])
    Snapshots(tmp_path).save(4, book.states)
    restored = FeatureBook(Snapshots(tmp_path).before(5))
    assert restored.advance(rows[30:]) == book.advance(rows[30:])


def test_a_replayed_batch_ignores_its_own_snapshot(tmp_path: Path) -> None:
    """Batch 5 run again starts from the states after batch 4, not from its own."""
    snapshots = Snapshots(tmp_path)
    snapshots.save(4, {"a": [4.0] * 27})
    snapshots.save(5, {"a": [5.0] * 27})
    assert snapshots.before(5) == {"a": [4.0] * 27}


def test_old_snapshots_are_dropped(tmp_path: Path) -> None:
    """However long the stream runs, only the newest few snapshots stay on disk."""
    snapshots = Snapshots(tmp_path)
    for batch_id in range(20):
        snapshots.save(batch_id, {})
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        f"{n}.json" for n in range(20 - KEEP, 20)
    )


def test_a_torn_snapshot_is_passed_over(tmp_path: Path) -> None:
    """An unreadable file is skipped for the one before; with none left the states are cold."""
    snapshots = Snapshots(tmp_path)
    snapshots.save(1, {"a": [1.0] * 27})
    (tmp_path / "2.json").write_text('{"features_hash":')
    assert snapshots.before(3) == {"a": [1.0] * 27}
    (tmp_path / "1.json").write_text("[]")
    assert snapshots.before(3) == {}


def test_states_of_other_features_are_not_used(tmp_path: Path) -> None:
    """A snapshot of another feature list is passed over."""
    (tmp_path / "1.json").write_text('{"features_hash": "other", "states": {"a": [1.0]}}')
    assert Snapshots(tmp_path).before(2) == {}


def _row(symbol: str, time_ms: int, price: float = 100.0) -> dict[str, Any]:
    return {
        "exchange": "bybit",
        "category": "spot",
        "symbol": symbol,
        "trade_time": time_ms,
        "price": price,
        "size": 1.5,
        "side": "buy",
        "block_trade": False,
    }
