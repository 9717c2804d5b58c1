"""Trade files are read whole or refused with the line that is wrong."""

from __future__ import annotations

import contextlib
import gzip
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import market

from cryptostream.models.errors import TradeFileError
from cryptostream.models.trades import read_tapes, symbol_of, tape_of

if TYPE_CHECKING:
    from pathlib import Path

HEADER = "id,timestamp,price,volume,side"
ROW = "7,1767225600000,100.5,0.25,buy"


def write(folder: Path, *lines: str, name: str = "BTCUSDT.csv") -> Path:
    """Write lines into a trade file."""
    path = folder / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "row"),
    [
        (HEADER, ROW),
        (f"{HEADER},rpi", f"{ROW},0"),
        ("id,timestamp_ms,price,volume,side", ROW),
        (HEADER, ROW.replace("buy", "Buy")),
    ],
)
def test_each_known_header_is_read(tmp_path: Path, header: str, row: str) -> None:
    """Bybit's dump with and without `rpi`, and the header that names the unit, all read."""
    (tape,) = read_tapes([write(tmp_path, header, row)])
    assert tape.symbol == "BTCUSDT"
    assert (tape.time_ms[0], tape.price[0], tape.size[0], tape.side[0]) == (
        1767225600000,
        100.5,
        0.25,
        1,
    )


def test_a_written_tape_reads_back(tmp_path: Path) -> None:
    """A tape written as a dump, plain or gzipped, reads back unchanged."""
    tape = market.tape(orders=200)
    plain = market.write_csv(tape, tmp_path)
    packed = tmp_path / "gz" / "BTCUSDT-2026-01-01.csv.gz"
    packed.parent.mkdir()
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    for path in (plain, packed.parent):
        (read,) = read_tapes([path])
        for column in ("time_ms", "price", "size", "side"):
            assert (getattr(read, column) == getattr(tape, column)).all(), column


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("7,1767225600000,100.5,0.25", "4 fields"),
        (f"{ROW},0,extra", "7 fields"),
        (",1767225600000,100.5,0.25,buy", "id"),
        ("7,1767225600,100.5,0.25,buy", "timestamp"),
        ("7,1767225600000000,100.5,0.25,buy", "timestamp"),
        ("7,1767225600000.5,100.5,0.25,buy", "timestamp"),
        ("7,١٧٦٧٢٢٥٦٠٠٠٠٠,100.5,0.25,buy", "ASCII"),
        ("7,1767225600000,nan,0.25,buy", "price"),
        ("7,1767225600000,-1,0.25,buy", "price"),
        ("7,1767225600000,1e5,0.25,buy", "price"),
        ("7,1767225600000,100.5,0,buy", "volume"),
        ("7,1767225600000,100.5,0.25,hold", "side"),
        ("x" * 2000, "longer"),
        ("", "1 fields"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, row: str, reason: str) -> None:
    """A malformed row ends the reading with its file, its line and the reason, on one line."""
    path = write(tmp_path, HEADER, ROW, row)
    with pytest.raises(TradeFileError) as caught:
        read_tapes([path])
    assert str(caught.value).startswith(f"{path}:3: ")
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("BTCUSDT.csv", b"", "no trades"),
        ("BTCUSDT.csv", b"time,price\n1,2\n", "header"),
        ("BTCUSDT.csv", HEADER.encode() + b"\n", "no trades"),
        ("BTCUSDT.csv", HEADER.encode() + b"\n\xff\xfe\n", "ASCII"),
        ("BTCUSDT.csv.gz", b"plain text", "Not a gzipped file"),
        ("BTCUSDT.csv.gz", gzip.compress(f"{HEADER}\n{ROW}\n".encode())[:-9], "can't be read"),
        ("-.csv", b"", "symbol"),
    ],
)
def test_a_bad_file_is_named(tmp_path: Path, name: str, content: bytes, reason: str) -> None:
    """An empty, foreign, broken or ill-named file is refused with its name and the reason."""
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(TradeFileError, match=reason) as caught:
        read_tapes([path])
    assert str(caught.value).startswith(f"{path}:")


def test_a_missing_file_and_an_empty_folder_are_named(tmp_path: Path) -> None:
    """What isn't there is said to be not there."""
    with pytest.raises(TradeFileError, match="No such file"):
        read_tapes([tmp_path / "BTCUSDT.csv"])
    with pytest.raises(TradeFileError, match=r"no \.csv"):
        read_tapes([tmp_path])


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    """Whatever stands below the header gives a tape or a `TradeFileError`, nothing else."""
    path = tmp_path_factory.mktemp("fuzz") / "BTCUSDT.csv"
    path.write_bytes(f"{HEADER}\n{ROW}\n".encode() + raw)
    with contextlib.suppress(TradeFileError):
        assert len(read_tapes([path])[0]) >= 1


@pytest.mark.parametrize(
    "name", ["BTCUSDT.csv", "BTCUSDT-2026.csv", "BTCUSDT_1.csv.gz", "BTCUSDT.a-b.csv"]
)
def test_the_symbol_stands_first_in_the_name(tmp_path: Path, name: str) -> None:
    """The symbol is the file's name up to the first dash, underscore or dot."""
    assert symbol_of(tmp_path / name) == "BTCUSDT"


def test_days_of_one_symbol_join_without_repeats(tmp_path: Path) -> None:
    """Files of one symbol become one tape in the order of time; a repeated id counts once."""
    later = write(tmp_path, HEADER, "2,1767225601000,101,1,sell", name="BTCUSDT-b.csv")
    earlier = write(tmp_path, HEADER, ROW, "2,1767225601000,101,1,sell", name="BTCUSDT-a.csv")
    (tape,) = read_tapes([later, earlier])
    assert tape.time_ms.tolist() == [1767225600000, 1767225601000]


def rows(*points: tuple[str, int]) -> list[tuple[str, int, float, float, int]]:
    """Make rows that differ in id and time only."""
    return [(ident, time_ms, 1.0, 1.0, 1) for ident, time_ms in points]


def test_a_long_silence_starts_a_segment() -> None:
    """More than 60 s without a trade is a hole, 60 s are not."""
    tape = tape_of("BTCUSDT", rows(("a", 0), ("b", 60_000), ("c", 120_001)))
    assert tape.segment.tolist() == [0, 0, 1]


def test_a_jump_of_dense_ids_starts_a_segment() -> None:
    """Where ids step by one, a jump is a hole; where they never do, it means nothing."""
    ids = [*range(2000), *range(2010, 4010)]
    dense = tape_of("BTCUSDT", rows(*((str(ident), at) for at, ident in enumerate(ids))))
    assert dense.segment[1999:2001].tolist() == [0, 1]
    sparse = tape_of("BTCUSDT", rows(*((str(3 * at), at) for at in range(50))))
    assert set(sparse.segment.tolist()) == {0}
