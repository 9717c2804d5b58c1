"""The ledger as Bybit's daily dumps."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from cryptostream.simulator.dumps import read_dump
from cryptostream.simulator.exports import ROWS_PER_PIECE, dump_pieces, find_dump, has_rpi
from cryptostream.simulator.instruments import UNIVERSE
from cryptostream.simulator.ledger import Ledger
from cryptostream.simulator.tape import SELL, Order

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2026, 11, 23)
MIDNIGHT = int(datetime(2026, 11, 23, tzinfo=UTC).timestamp()) * 1000


def ledger(*times: int) -> Ledger:
    """Give a ledger with one unsent trade of BTCUSDT at each time after midnight."""
    made = Ledger(UNIVERSE[:1], max_trades=100_000)
    for number, time_ms in enumerate(times):
        order = Order(MIDNIGHT + time_ms, 1, SELL, [number], [826_805], [1_185], [True])
        made.books["BTCUSDT"].append(order, sent=False)
    return made


@pytest.mark.parametrize("rpi", [False, True])
def test_a_day_is_written_in_either_schema(rpi: bool) -> None:  # noqa: FBT001 - a parameter
    """All trades of the day and no others, sent or not, numbered from 1."""
    book = ledger(-1, 0, 86_399_999, 86_400_000).books["BTCUSDT"]
    text = gzip.decompress(b"".join(dump_pieces(book, DAY, rpi=rpi))).decode()
    more = (",rpi", ",1") if rpi else ("", "")
    assert text.splitlines() == [
        f"id,timestamp,price,volume,side{more[0]}",
        f"1,{MIDNIGHT},82680.5,0.001185,sell{more[1]}",
        f"2,{MIDNIGHT + 86_399_999},82680.5,0.001185,sell{more[1]}",
    ]


@pytest.mark.parametrize("count", [1, ROWS_PER_PIECE, 2 * ROWS_PER_PIECE + 1])
def test_a_dump_can_be_replayed(tmp_path: Path, count: int) -> None:
    """The replay's own strict parser reads every row back."""
    book = ledger(*range(count)).books["BTCUSDT"]
    path = tmp_path / "BTCUSDT_2026-11-23.csv.gz"
    path.write_bytes(b"".join(dump_pieces(book, DAY, rpi=True)))
    assert list(read_dump(path).times) == list(range(MIDNIGHT, MIDNIGHT + count))


def test_a_day_without_trades_has_no_file() -> None:
    """There is nothing to serve, as on the exchange."""
    assert list(dump_pieces(ledger(-1).books["BTCUSDT"], DAY, rpi=True)) == []


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("BTCUSDT", "ETHUSDT_2026-11-23.csv.gz"),
        ("ETHUSDT", "ETHUSDT_2026-11-23.csv.gz"),
        ("BTCUSDT", "BTCUSDT_2026-02-30.csv.gz"),
        ("BTCUSDT", "BTCUSDT-2026-11.csv.gz"),
    ],
)
def test_other_names_mean_nothing(folder: str, name: str) -> None:
    """A name that is no dump's, or of no symbol here, is not found."""
    assert find_dump(ledger(), folder, name) is None


def test_a_name_means_its_book_and_day() -> None:
    """The name is that of public.bybit.com; the schema follows the day."""
    made = ledger()
    found = find_dump(made, "BTCUSDT", "BTCUSDT_2026-11-23.csv.gz")
    assert found == (made.books["BTCUSDT"], DAY)
    assert (has_rpi(date(2025, 3, 12)), has_rpi(date(2025, 3, 13))) == (False, True)
