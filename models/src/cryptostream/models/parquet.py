"""A data set on disk: a folder of Parquet parts and a manifest that vouches for them.

A part or the manifest appears whole or not at all. The manifest is written last, so a folder
without one is an export that was not finished.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cryptostream.contracts.features import FEATURE_COUNT, FEATURES_HASH
from cryptostream.models.dataset import content_sha256
from cryptostream.models.errors import DatasetError
from cryptostream.models.trades import Tape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

MANIFEST: Final = "dataset.json"
VERSION: Final = 1
SCHEMA: Final = pa.schema(
    [
        ("symbol", pa.dictionary(pa.int32(), pa.string())),
        ("trade_id", pa.string()),
        ("time_ms", pa.int64()),
        ("price", pa.float64()),
        ("size", pa.float64()),
        ("side", pa.int8()),
        ("warm", pa.bool_()),
        ("features", pa.list_(pa.float32(), FEATURE_COUNT)),
    ]
)
_SIDES: Final = {"buy": 1, "sell": -1}
_NO_VECTOR: Final = (float("nan"),) * FEATURE_COUNT


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a data set holds.

    Attributes:
        query: what was asked for, as `search.Query.document` gives it.
        parts: number of part files.
        symbols: trades of each symbol.
        from_ms: of the first trade, as `to_ms` of the last; both 0 for an empty set.
        holes: (symbol, from, to) that nothing proves complete.
        sha256: of the content, whatever the files look like (`dataset.content_sha256`).
    """

    query: dict[str, Any]
    parts: int
    rows: int
    symbols: dict[str, int]
    from_ms: int
    to_ms: int
    holes: list[tuple[str, int, int]]
    features_hash: str
    sha256: str
    version: int = VERSION


def part_path(folder: Path, number: int) -> Path:
    """Name a part; numbers count from 0."""
    return folder / f"part-{number:05d}.parquet"


def write_part(path: Path, documents: Iterable[dict[str, Any]]) -> None:
    """Write trades' documents as one part; a vector of other features counts as none."""
    rows = list(documents)
    known = [row.get("features_hash") == FEATURES_HASH for row in rows]
    columns = [
        pa.array([row["symbol"] for row in rows]).dictionary_encode(),
        pa.array([row["trade_id"] for row in rows]),
        pa.array([row["trade_time"] for row in rows], pa.int64()),
        pa.array([row["price"] for row in rows], pa.float64()),
        pa.array([row["size"] for row in rows], pa.float64()),
        pa.array([_SIDES[row["side"]] for row in rows], pa.int8()),
        pa.array([good and bool(row.get("warm")) for row, good in zip(rows, known, strict=True)]),
        pa.array(
            [
                row["features"] if good else _NO_VECTOR
                for row, good in zip(rows, known, strict=True)
            ],
            SCHEMA.field("features").type,
        ),
    ]
    whole = path.with_suffix(".tmp")
    pq.write_table(pa.Table.from_arrays(columns, schema=SCHEMA), whole, compression="zstd")
    whole.replace(path)


def finish(folder: Path, query: dict[str, Any], parts: int,
           holes: Sequence[tuple[str, int, int]]) -> Manifest:  # fmt: skip
    """Read all parts back, fingerprint them and write the manifest."""
    tapes = _tapes(folder, parts, holes)
    manifest = Manifest(
        query=query,
        parts=parts,
        rows=sum(len(tape) for tape in tapes),
        symbols={tape.symbol: len(tape) for tape in tapes},
        from_ms=min((int(tape.time_ms[0]) for tape in tapes), default=0),
        to_ms=max((int(tape.time_ms[-1]) for tape in tapes), default=0),
        holes=list(holes),
        features_hash=FEATURES_HASH,
        sha256=content_sha256(tapes),
    )
    write_json(folder / MANIFEST, manifest)
    return manifest


def read_manifest(folder: Path) -> Manifest:
    """Read the manifest; raises `DatasetError`."""
    path = folder / MANIFEST
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: {error}; run the export again to finish it") from error
    if manifest.features_hash != FEATURES_HASH:
        raise DatasetError(f"{path}: its vectors are of other features; export again")
    return manifest


def read_tapes(folder: Path) -> list[Tape]:
    """Read a finished data set, one tape a symbol, and check its content.

    Raises:
        DatasetError: it is not finished, empty, or not what its manifest says.
    """
    manifest = read_manifest(folder)
    try:
        tapes = _tapes(folder, manifest.parts, manifest.holes)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{folder}: {error}; export again") from error
    if not tapes:
        raise DatasetError(f"{folder}: holds no trades; give a range that has some")
    if content_sha256(tapes) != manifest.sha256:
        raise DatasetError(f"{folder}: its content has another sha256 than {MANIFEST} says")
    return tapes


def write_json(path: Path, value: Any) -> None:
    """Write a file that is there whole or not at all."""
    whole = path.with_suffix(".tmp")
    whole.write_bytes(msgspec.json.format(msgspec.json.encode(value)) + b"\n")
    whole.replace(path)


def _tapes(folder: Path, parts: int, holes: Sequence[tuple[str, int, int]]) -> list[Tape]:
    if not parts:
        return []
    table = pa.concat_tables(
        pq.read_table(part_path(folder, number), schema=SCHEMA) for number in range(parts)
    ).unify_dictionaries()
    symbol = table.column("symbol").combine_chunks()
    codes, names = symbol.indices.to_numpy(), symbol.dictionary.to_pylist()
    columns = {name: table.column(name).to_numpy() for name in ("time_ms", "price", "size", "side")}
    warm = table.column("warm").to_numpy()
    vectors = table.column("features").combine_chunks().flatten().to_numpy()
    vectors = vectors.reshape(-1, FEATURE_COUNT)
    tapes = []
    for code in sorted(set(codes.tolist()), key=lambda one: names[one]):
        rows = np.flatnonzero(codes == code)
        tapes.append(
            Tape(
                symbol=names[code],
                time_ms=columns["time_ms"][rows],
                price=columns["price"][rows],
                size=columns["size"][rows],
                side=columns["side"][rows].astype(np.int64),
                segment=_segments(columns["time_ms"][rows], names[code], holes),
                vectors=vectors[rows],
                warm=warm[rows],
            )
        )
    return tapes


def _segments(time_ms: Any, symbol: str, holes: Sequence[tuple[str, int, int]]) -> Any:
    """Cut where a hole begins and where it ends: what lies inside stands alone."""
    cuts = sorted({time for name, start, end in holes if name == symbol for time in (start, end)})
    # A trade at the very beginning of a hole still belongs to what came before it.
    return np.searchsorted(np.array(cuts, dtype=np.int64), time_ms, side="left").astype(np.int64)
