"""Recorded trades: the strict parser, and the feed made of several files."""

from __future__ import annotations

import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.contracts.errors import SettingsError
from cryptostream.simulator.dumps import DumpError, read_dump, symbol_of
from cryptostream.simulator.instruments import decimal_text
from cryptostream.simulator.replay import ORDERS_PER_TAPE, Replay, read_dumps, replay_instruments
from cryptostream.simulator.tape import BUY, SELL, Tape

HEADER = "id,timestamp,price,volume,side"
T0 = 1_750_507_467_356
#: Recorded trades that may lie beside the checkout; they are no part of it.
SHARED = Path(__file__).resolve().parents[4] / "shared" / "data"


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    """Write a file of trades."""
    text = "\n".join([header, *rows]) + "\n"
    if path.suffix == ".gz":
        path.write_bytes(gzip.compress(text.encode()))
    else:
        path.write_text(text)
    return path


def replay(*paths: Path, speed: float = 1.0) -> tuple[Replay, list[str]]:
    """Make a feed of files; give it with its symbols."""
    dumps = read_dumps(paths, ())
    instruments = replay_instruments(dumps)
    feed = Replay(dumps, instruments, speed=speed, seed=1, start_ms=T0)
    return feed, [instrument.symbol for instrument in instruments]


@pytest.mark.parametrize("header", [HEADER, HEADER.replace("timestamp", "timestamp_ms")])
@pytest.mark.parametrize("name", ["BTCUSDT_2026-08-01.csv", "BTCUSDT-x.csv.gz", "BTCUSDT.csv"])
def test_known_formats_are_read(tmp_path: Path, header: str, name: str) -> None:
    """Both headers, plain and gzipped, give symbol, exact numbers and sides."""
    rows = (f"7,{T0},61837.63000000,0.02000000,sell", f"8,{T0 + 5},61838,1.5,buy")
    dump = read_dump(write(tmp_path / name, *rows, header=header))
    assert dump.symbol == "BTCUSDT"
    assert (dump.price_decimals, dump.volume_decimals) == (2, 2)
    assert dump.prices.tolist() == [6_183_763, 6_183_800]
    assert dump.volumes.tolist() == [2, 150]
    assert dump.ids.tolist() == [7, 8]
    assert dump.sides.tolist() == [SELL, BUY]


def test_rpi_is_read(tmp_path: Path) -> None:
    """The column that Bybit added in 2025 is kept."""
    path = write(
        tmp_path / "A1.csv", f"1,{T0},1,1,buy,1", f"2,{T0},1,1,buy,0", header=f"{HEADER},rpi"
    )
    assert read_dump(path).rpi.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("", "1 fields"),
        (f"1,{T0},1,1", "4 fields"),
        (f"1,{T0},1,1,buy,0,0", "7 fields"),
        (f"x,{T0},1,1,buy", "id was 'x'"),
        (f"-1,{T0},1,1,buy", "id was '-1'"),
        (f"{2**63},{T0},1,1,buy", "id was 9223372036854775808"),
        ("1,1750507467,1,1,buy", "timestamp was 1750507467"),
        ("1,1750507467.5,1,1,buy", "timestamp was"),
        (f"1,{T0},abc,1,buy", "price was 'abc'"),
        (f"1,{T0},nan,1,buy", "price was 'nan'"),
        (f"1,{T0},1e5,1,buy", "price was '1e5'"),
        (f"1,{T0},-1,1,buy", "price was '-1'"),
        (f"1,{T0},0,1,buy", "price was '0'"),
        (f"1,{T0},1,0.000,buy", "volume was '0.000'"),
        (f"1,{T0},1,123456789012345.123456789012345,buy", "volume was"),
        (f"1,{T0},1,\u0661,buy", "codec can't decode"),
        (f"1,{T0},1,1,hold", "side was 'hold'"),
        (f"1,{T0},1,1,buy,2", "rpi was '2'"),
        (f"9,{T0},1,1,buy", "id 9 stands in the file twice"),
        ("x" * 2_000, "longer than 512 characters"),
    ],
)
def test_a_malformed_row_is_named_by_file_and_line(tmp_path: Path, row: str, reason: str) -> None:
    """The error is one line `FILE:LINE: reason`."""
    path = write(tmp_path / "BTCUSDT.csv", f"9,{T0},1.5,1,buy", row)
    with pytest.raises(DumpError) as caught:
        read_dump(path)
    text = str(caught.value)
    line = 2 if "codec" in reason else 3
    assert text.startswith((f"{path}:{line}: ", f"{path}:0: "))
    assert reason in text
    assert "\n" not in text


def test_files_that_are_no_dumps_are_refused(tmp_path: Path) -> None:
    """No file, no gzip, a cut gzip, no header, no rows: each is an error with the file's name."""
    cut = tmp_path / "BTCUSDT-cut.csv.gz"
    cut.write_bytes(gzip.compress(f"{HEADER}\n1,{T0},1,1,buy\n".encode())[:-12])
    plain = tmp_path / "BTCUSDT-plain.csv.gz"
    plain.write_text(HEADER)
    for path in (
        tmp_path / "BTCUSDT-none.csv",
        cut,
        plain,
        write(tmp_path / "BTCUSDT-header.csv", header="time,price"),
        write(tmp_path / "BTCUSDT-empty.csv"),
        tmp_path,
    ):
        with pytest.raises(DumpError, match=path.name):
            read_dump(path)


@pytest.mark.parametrize(
    ("name", "symbol"),
    [("BTCUSDT_2026-08-01.csv.gz", "BTCUSDT"), ("LTCUSDT-binance-spot.csv", "LTCUSDT")],
)
def test_the_symbol_is_the_names_first_part(name: str, symbol: str) -> None:
    """The file's name says what was traded."""
    assert symbol_of(Path("/data") / name) == symbol


def test_a_name_without_a_symbol_is_refused() -> None:
    """A file that names no symbol can't be replayed."""
    with pytest.raises(DumpError, match="must begin with a symbol"):
        symbol_of(Path("trades of today.csv"))


def test_files_are_merged_by_time(tmp_path: Path) -> None:
    """Trades of several symbols come in time order, each with its own symbol and id."""
    feed, symbols = replay(
        write(tmp_path / "AUSDT.csv", f"1,{T0},1,1,buy", f"2,{T0 + 20},1.25,1,buy"),
        write(tmp_path / "BUSDT.csv", f"1,{T0 + 10},2,1,sell"),
    )
    tape = feed.next_tape()
    assert tape is not None
    assert [symbols[at] for at in tape.symbol] == ["AUSDT", "BUSDT", "AUSDT"]
    assert tape.offset_ms.tolist() == [0, 10, 20]
    assert feed.next_tape() is None


def test_rows_of_one_taker_order_stay_together(tmp_path: Path) -> None:
    """Neighbours of one millisecond and side are one order; a change of side begins another."""
    rows = [f"{at},{T0},1,1,{side}" for at, side in enumerate(["buy", "buy", "sell", "buy"], 1)]
    feed, _ = replay(write(tmp_path / "AUSDT.csv", *rows))
    tape = feed.next_tape()
    assert tape is not None
    assert tape.first.tolist() == [0, 2, 3, 4]
    assert len(set(tape.seq.tolist())) == 3


def test_speed_divides_the_spacing_and_keeps_equal_times_equal(tmp_path: Path) -> None:
    """At speed 10 a second lasts 100 ms, and a shared millisecond is still shared."""
    times = [T0, T0 + 1000, T0 + 1000, T0 + 2005]
    rows = [f"{at},{time},1,1,{'buy' if at % 2 else 'sell'}" for at, time in enumerate(times)]
    feed, _ = replay(write(tmp_path / "AUSDT.csv", *rows), speed=10.0)
    tape = feed.next_tape()
    assert tape is not None
    assert tape.offset_ms.tolist() == [0, 100, 100, 200]


def test_ids_that_restart_are_shifted_behind_the_earlier_file(tmp_path: Path) -> None:
    """Two days' dumps of a symbol both count from 1; their trades get different ids."""
    feed, _ = replay(
        write(tmp_path / "AUSDT_1.csv", f"1,{T0},1,1,buy", f"2,{T0 + 1},1,1,buy"),
        write(tmp_path / "AUSDT_2.csv", f"1,{T0 + 2},1.5,1,buy", f"2,{T0 + 3},1,1,buy"),
    )
    tape = feed.next_tape()
    assert tape is not None
    assert tape.trade_id.tolist() == [1, 2, 3, 4]
    assert tape.price.tolist() == [10, 10, 15, 10]


def test_files_too_fine_for_one_another_are_refused(tmp_path: Path) -> None:
    """Where exact arithmetic would overflow, the files are refused by their symbol."""
    paths = (
        write(tmp_path / "AUSDT_1.csv", f"1,{T0},123456789012345,1,buy"),
        write(tmp_path / "AUSDT_2.csv", f"1,{T0},0.0000000001,1,buy"),
    )
    with pytest.raises(SettingsError, match="AUSDT"):
        replay(*paths)


def test_symbols_choose_among_the_files(tmp_path: Path) -> None:
    """Naming symbols leaves the other files out; a symbol of no file is an error."""
    paths = tuple(write(tmp_path / f"{name}.csv", f"1,{T0},1,1,buy") for name in ("AUSDT", "BUSDT"))
    assert [dump.symbol for dump in read_dumps(paths, ("BUSDT",))] == ["BUSDT"]
    with pytest.raises(SettingsError, match="CUSDT"):
        read_dumps(paths, ("CUSDT",))


TRADES = st.lists(
    st.tuples(
        st.integers(0, 5),
        st.decimals(Decimal("0.00000001"), 10**6, places=8),
        st.decimals(Decimal("0.0001"), 10**6, places=4),
        st.sampled_from(["buy", "sell"]),
    ),
    min_size=1,
    max_size=50,
)


@settings(deadline=None)
@given(TRADES)
def test_a_replay_gives_back_what_was_recorded(
    tmp_path_factory: pytest.TempPathFactory, trades: list[tuple[int, Decimal, Decimal, str]]
) -> None:
    """Ids, prices, volumes, sides and times survive the way through file and feed, exactly."""
    rows, now, times = [], T0, []
    for number, (wait, price, volume, side) in enumerate(trades):
        now += wait
        times.append(now - T0 - trades[0][0])
        rows.append(f"{number},{now},{price:f},{volume:f},{side}")
    path = write(tmp_path_factory.mktemp("replay") / "AUSDT.csv", *rows)
    dumps = read_dumps((path,), ())
    (instrument,) = replay_instruments(dumps)
    tape = Replay(dumps, (instrument,), speed=1, seed=1, start_ms=T0).next_tape()
    assert tape is not None
    order = np.repeat(np.arange(tape.orders), np.diff(tape.first))
    assert tape.trade_id.tolist() == list(range(len(trades)))
    assert tape.offset_ms[order].tolist() == times
    assert tape.side[order].tolist() == [BUY if t[3] == "buy" else SELL for t in trades]
    for fill, (_, price, volume, _) in enumerate(trades):
        assert Decimal(decimal_text(int(tape.price[fill]), instrument.price_decimals)) == price
        assert Decimal(decimal_text(int(tape.size[fill]), instrument.size_decimals)) == volume


@pytest.mark.skipif(not SHARED.is_dir(), reason=f"{SHARED} with recorded trades is absent")
def test_recorded_files_are_replayed_whole() -> None:
    """A real recording of 152,763 trades comes out with every id, in bounded tapes."""
    feed, _ = replay(*SHARED.glob("LTCUSDT*.csv.gz"))
    tapes: list[Tape] = []
    while (tape := feed.next_tape()) is not None:
        tapes.append(tape)
    ids = np.concatenate([tape.trade_id for tape in tapes])
    assert len(np.unique(ids)) == len(ids) == 152_763
    assert max(tape.orders for tape in tapes) <= ORDERS_PER_TAPE
