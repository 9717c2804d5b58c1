"""A data set on disk gives back what was put in, or says what is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cryptostream.contracts.features import FEATURE_COUNT, FEATURES_HASH
from cryptostream.models import parquet
from cryptostream.models.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

QUERY = {"exchange": "bybit", "category": "spot", "from_ms": 0, "to_ms": 10**13, "symbols": []}


def document(symbol: str, number: int, **changes: Any) -> dict[str, Any]:
    """Make a trade's document as it comes from the search."""
    return {
        "symbol": symbol,
        "trade_id": f"t{number}",
        "trade_time": 1_000 * number,
        "price": 100.0 + number,
        "size": 2.0,
        "side": "sell" if number % 2 else "buy",
        "seq": number,
        "features": [number + 0.5] * FEATURE_COUNT,
        "features_hash": FEATURES_HASH,
        "warm": True,
    } | changes


def stored(folder: Path, parts: list[list[dict[str, Any]]], holes: Any = ()) -> parquet.Manifest:
    """Write the parts and finish."""
    for number, rows in enumerate(parts):
        parquet.write_part(parquet.part_path(folder, number), rows)
    return parquet.finish(folder, QUERY, len(parts), holes)


def test_tapes_come_back_by_symbol(tmp_path: Path) -> None:
    """Trades come back as one tape a symbol, with their vectors."""
    rows = [document("AUSDT", n) for n in range(5)] + [document("BUSDT", n) for n in range(3)]
    manifest = stored(tmp_path, [rows[:4], rows[4:]])
    first, second = parquet.read_tapes(tmp_path)
    assert (first.symbol, second.symbol) == ("AUSDT", "BUSDT")
    assert first.time_ms.tolist() == [0, 1_000, 2_000, 3_000, 4_000]
    assert first.side.tolist() == [1, -1, 1, -1, 1]
    assert first.vectors is not None
    assert (first.vectors[2] == np.float32(2.5)).all()
    assert manifest.symbols == {"AUSDT": 5, "BUSDT": 3}
    assert (manifest.rows, manifest.from_ms, manifest.to_ms) == (8, 0, 4_000)


def test_the_fingerprint_doesnt_depend_on_the_parts(tmp_path: Path) -> None:
    """However the rows are cut into parts, the content's sha256 is the same."""
    rows = [document("AUSDT", n) for n in range(6)]
    found = []
    for at, cut in enumerate((2, 5)):
        folder = tmp_path / str(at)
        folder.mkdir()
        found.append(stored(folder, [rows[:cut], rows[cut:]]).sha256)
    assert found[0] == found[1]


def test_a_hole_cuts_its_symbol_only(tmp_path: Path) -> None:
    """What lies before, inside and after a hole are segments of their own."""
    rows = [document(symbol, n) for symbol in ("AUSDT", "BUSDT") for n in range(6)]
    stored(tmp_path, [rows], [("AUSDT", 1_000, 3_500)])
    first, second = parquet.read_tapes(tmp_path)
    assert first.segment.tolist() == [0, 0, 1, 1, 2, 2]
    assert not second.segment.any()


def test_a_vector_of_other_features_counts_as_none(tmp_path: Path) -> None:
    """A trade without a vector of the current features stays, cold and without numbers."""
    rows = [document("AUSDT", 0), document("AUSDT", 1, features_hash="0" * 16)]
    del rows[0]["features"], rows[0]["features_hash"], rows[0]["warm"]
    stored(tmp_path, [rows])
    (tape,) = parquet.read_tapes(tmp_path)
    assert tape.warm is not None
    assert tape.vectors is not None
    assert not tape.warm.any()
    assert np.isnan(tape.vectors).all()


def test_changed_content_is_refused(tmp_path: Path) -> None:
    """A part that was replaced doesn't pass for the data set."""
    stored(tmp_path, [[document("AUSDT", 0)]])
    parquet.write_part(parquet.part_path(tmp_path, 0), [document("AUSDT", 0, price=101.0)])
    with pytest.raises(DatasetError, match="another sha256"):
        parquet.read_tapes(tmp_path)


@pytest.mark.parametrize("content", [None, b"{", b'{"parts": 1}'])
def test_an_unfinished_or_broken_set_is_refused(tmp_path: Path, content: bytes | None) -> None:
    """Without a sound manifest the folder is no data set, and the remedy is told."""
    if content is not None:
        (tmp_path / parquet.MANIFEST).write_bytes(content)
    with pytest.raises(DatasetError, match="run the export again"):
        parquet.read_tapes(tmp_path)


def test_a_truncated_part_is_refused(tmp_path: Path) -> None:
    """A part that lost its end is told as such."""
    stored(tmp_path, [[document("AUSDT", n) for n in range(100)]])
    path = parquet.part_path(tmp_path, 0)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DatasetError, match="export again"):
        parquet.read_tapes(tmp_path)
