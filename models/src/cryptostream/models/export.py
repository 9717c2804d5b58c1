"""From Elasticsearch to a data set on disk, resumable: each page becomes a part of the folder.

The way of an export: 1. a page is read; 2. it is written as a part; 3. the progress file names
the place after it; ... 4. the manifest is written and the progress file removed. Whatever is
interrupted goes on after the last part that the progress file names.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.models import parquet, search
from cryptostream.models.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from elasticsearch import Elasticsearch

PROGRESS: Final = "progress.json"
PART_ROWS: Final = 50_000


class Progress(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far an export came: what it was asked for, and the place after its last part."""

    query: dict[str, Any]
    parts: int
    rows: int
    after: list[Any] | None


def export(
    client: Elasticsearch,
    query: search.Query,
    folder: Path,
    *,
    part_rows: int = PART_ROWS,
    advance: Callable[[int, int], None] = lambda _done, _total: None,
) -> parquet.Manifest:
    """Export the query's trades into the folder, or go on where an earlier export stopped.

    Args:
        client: of Elasticsearch.
        query: which trades.
        folder: made if it isn't there.
        part_rows: trades a part.
        advance: is told (trades done, trades in all) after each part.

    Raises:
        DatasetError: the folder holds an export of something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    asked = query.document()
    if (folder / parquet.MANIFEST).exists():
        return _finished(folder, asked)
    progress = _read_progress(folder, asked)
    trades = search.Trades(client, query)
    total = trades.count()
    advance(progress.rows, total)
    progress = _write_parts(trades, folder, progress, part_rows, lambda done: advance(done, total))
    manifest = parquet.finish(folder, asked, progress.parts, search.holes(client, query))
    (folder / PROGRESS).unlink(missing_ok=True)
    return manifest


def begun_query(folder: Path) -> dict[str, Any] | None:
    """Give what an export that is under way in the folder was asked for."""
    path = folder / PROGRESS
    return _decode(path).query if path.exists() else None


def _write_parts(
    trades: search.Trades,
    folder: Path,
    progress: Progress,
    part_rows: int,
    advance: Callable[[int], None],
) -> Progress:
    waiting: list[Any] = []
    after = progress.after
    for documents, after in trades.pages(progress.after):
        waiting += documents
        if len(waiting) >= part_rows:
            progress = _write_part(folder, progress, waiting, after)
            waiting = []
            advance(progress.rows)
    if waiting:
        progress = _write_part(folder, progress, waiting, after)
        advance(progress.rows)
    return progress


def _write_part(
    folder: Path, progress: Progress, documents: list[Any], after: list[Any] | None
) -> Progress:
    parquet.write_part(parquet.part_path(folder, progress.parts), documents)
    progress = Progress(progress.query, progress.parts + 1, progress.rows + len(documents), after)
    parquet.write_json(folder / PROGRESS, progress)
    return progress


def _finished(folder: Path, asked: dict[str, Any]) -> parquet.Manifest:
    manifest = parquet.read_manifest(folder)
    _check_same(folder, manifest.query, asked)
    return manifest


def _read_progress(folder: Path, asked: dict[str, Any]) -> Progress:
    path = folder / PROGRESS
    if not path.exists():
        return Progress(asked, 0, 0, None)
    progress = _decode(path)
    _check_same(folder, progress.query, asked)
    for number in count(progress.parts):
        stale = parquet.part_path(folder, number)
        if not stale.exists():
            return progress
        stale.unlink()
    return progress


def _decode(path: Path) -> Progress:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Progress)
    except ValueError as error:
        raise DatasetError(f"{path}: {error}; remove the folder and export again") from error


def _check_same(folder: Path, found: dict[str, Any], asked: dict[str, Any]) -> None:
    if found != asked:
        raise DatasetError(f"{folder}: holds an export of {found}; give another folder")
