"""Faults strike whom and what they name, as often and as long as they say."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any, cast

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.errors import SettingsError
from cryptostream.simulator.faults import Fault, FaultError, parse_fault, read_script
from cryptostream.simulator.hub import Hub, Subscriber
from cryptostream.simulator.instruments import UNIVERSE
from cryptostream.simulator.ledger import Ledger
from cryptostream.simulator.outlet import Outlet
from cryptostream.simulator.protocol import Session
from cryptostream.simulator.tamper import REORDER_MS
from cryptostream.simulator.tape import BUY, Order
from cryptostream.simulator.turmoil import Turmoil

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

BTC, ETH = UNIVERSE[:2]
NOW = 1_795_305_600_000


class Line:
    """A transport that keeps its messages and how it ended."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.ended = ""
        self.reading = True

    def write(self, data: bytes) -> None:
        """Take data."""
        self.data += data

    def get_write_buffer_size(self) -> int:
        """Have taken everything."""
        return 0

    def get_extra_info(self, _name: str) -> None:
        """Have no socket."""

    def pause_reading(self) -> None:
        """Read no more."""
        self.reading = False

    def is_closing(self) -> bool:
        """Tell whether it has ended."""
        return bool(self.ended)

    def close(self) -> None:
        """End in peace."""
        self.ended = "closed"

    def abort(self) -> None:
        """End at once."""
        self.ended = "aborted"

    def payloads(self) -> list[bytes]:
        """Give the payloads of the text frames written."""
        data, found = bytes(self.data), []
        while data and data[0] == 0x81:
            size, skip = data[1], 2
            if size == 126:
                size, skip = int.from_bytes(data[2:4], "big"), 4
            elif size == 127:
                size, skip = int.from_bytes(data[2:10], "big"), 10
            found.append(data[skip : skip + size])
            data = data[skip + size :]
        return found

    def ids(self) -> list[int]:
        """Give the ids of the trades in the frames that are sound JSON."""
        found: list[int] = []
        for payload in self.payloads():
            try:
                rows = json.loads(payload)["data"]
                assert all(float(row["p"]) and row["T"] for row in rows)
            except (ValueError, KeyError, TypeError):
                continue
            found += [int(row["i"]) for row in rows]
        return found


class Stage:
    """An outlet with its ledger, hub and faults, and orders made by hand."""

    def __init__(self) -> None:
        self.ledger = Ledger((BTC, ETH), max_trades=100_000)
        self.hub = Hub(send_buffer_bytes=1_000_000)
        self.turmoil = Turmoil(self.hub, seed=1)
        self.outlet = Outlet(self.ledger, self.hub, self.turmoil)
        self.made = 0

    def connect(self, name: str, *symbols: str) -> tuple[Subscriber, Line]:
        """Connect a subscriber of the symbols."""
        line = Line()
        subscriber = Subscriber(Session(name), cast("asyncio.Transport", line))
        self.hub.join(subscriber)
        self.turmoil.greet(subscriber)
        self.hub.add(subscriber, tuple(f"publicTrade.{symbol}" for symbol in symbols))
        return subscriber, line

    def begin(self, kind: str, **fields: Any) -> int:
        """Let a fault act."""
        return self.turmoil.begin(msgspec.convert({"kind": kind} | fields, Fault), NOW)

    def trade(self, symbol: str = "BTCUSDT", at: int = 0, count: int = 1) -> None:
        """Make orders of one fill each."""
        instrument = self.ledger.books[symbol].instrument
        for _ in range(count):
            self.made += 1
            order = Order(NOW + at, self.made, BUY, [self.made], [5], [1], [False])
            self.outlet.send(instrument, order, NOW + at)
        self.outlet.push_late(NOW + at)
        self.hub.flush()


@pytest.mark.parametrize(
    ("code", "end"), [(1000, b"\x88\x02\x03\xe8"), (1012, b"\x88\x02\x03\xf4"), (1006, b"")]
)
def test_a_close_has_its_code_and_comes_after_the_trades(code: int, end: bytes) -> None:
    """What was pushed before the close is delivered; 1006 means no close frame."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.trade()
    before = bytes(line.data)
    stage.begin("close", code=code)
    assert (bytes(line.data), line.ended) == (before + end, "closed")
    assert not stage.turmoil.describe(NOW), "a close is over at once"


def test_only_the_named_connections_are_struck() -> None:
    """Connection ids, symbols and the count each narrow a fault down."""
    stage = Stage()
    lines = {name: stage.connect(name, symbol)[1] for name, symbol in
             (("a", "BTCUSDT"), ("b", "ETHUSDT"), ("c", "ETHUSDT"))}  # fmt: skip
    stage.begin("reset", connections=["a"])
    assert [line.ended for line in lines.values()] == ["aborted", "", ""]
    stage.begin("reset", symbols=["ETHUSDT"], count=1)
    assert sorted(line.ended for line in lines.values()) == ["", "aborted", "aborted"]


def test_a_half_open_connection_hears_nothing_and_is_reset_in_the_end() -> None:
    """It neither reads nor gets trades, which then count as unsent; the end cuts it."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("half_open", seconds=5)
    stage.trade()
    assert (line.reading, line.ids(), stage.ledger.made, stage.ledger.sent) == (False, [], 1, 0)
    stage.turmoil.expire(NOW + 4_999)
    assert not line.ended
    stage.turmoil.expire(NOW + 5_000)
    assert line.ended == "aborted"


def test_a_stall_holds_old_and_new_connections_until_it_ends() -> None:
    """Stalled connections get pongs only; afterwards they hear what is new."""
    stage = Stage()
    old, first = stage.connect("a", "BTCUSDT")
    stage.begin("stall")
    _, second = stage.connect("b", "BTCUSDT")
    stage.trade()
    stage.hub.tell(old, b"ack")
    assert (bytes(first.data), bytes(second.data), stage.ledger.sent) == (b"", b"", 0)
    stage.hub.tell(old, b"pong", even_if_stalled=True)
    assert bytes(first.data) == b"pong"
    assert stage.turmoil.end() == 1
    stage.trade()
    assert second.ids() == [2]


def test_a_silent_symbol_is_traded_but_not_sent() -> None:
    """The others go on; the full ledger says which trades nobody could have got."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT", "ETHUSDT")
    stage.begin("silent", symbols=["BTCUSDT"])
    stage.trade("BTCUSDT")
    stage.trade("ETHUSDT")
    assert line.ids() == [2]
    rows = [json.loads(row) for row in b"".join(stage.ledger.books["BTCUSDT"].all_lines()).split()]
    assert [(row["trade_id"], row["sent"]) for row in rows] == [("1", False)]


def test_duplicates_are_sent_as_often_as_the_count_says() -> None:
    """Two frames come twice, then the fault is over."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("duplicate", count=2)
    stage.trade(count=4)
    assert line.ids() == [1, 1, 2, 2, 3, 4]
    assert not stage.turmoil.describe(NOW)


def test_a_reordered_frame_comes_after_the_next_of_its_symbol() -> None:
    """Frames change places; one without a successor comes after a bounded time."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("reorder", count=2)
    stage.trade(count=2)
    assert line.ids() == [2, 1]
    stage.trade(at=2_000)
    assert line.ids() == [2, 1]
    stage.outlet.push_late(NOW + 2_000 + REORDER_MS)
    stage.hub.flush()
    assert line.ids() == [2, 1, 3]


def test_late_frames_come_after_their_delay() -> None:
    """A late frame is in the ledger at once, and on the line later."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("late", delay_ms=300, count=1)
    stage.trade(count=2)
    assert (line.ids(), stage.ledger.sent) == ([2], 2)
    stage.outlet.push_late(NOW + 300)
    stage.hub.flush()
    assert line.ids() == [2, 1]


def test_malformed_frames_come_beside_the_good_ones() -> None:
    """No trade is lost by a broken copy, and no broken copy can be read."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("malformed")
    stage.trade(count=10)
    assert line.ids() == list(range(1, 11))
    assert len(line.payloads()) == 20


def test_a_skewed_clock_moves_frames_and_ledger_alike() -> None:
    """Push and match time are off together, and match times never go back."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("clock_skew", offset_ms=5_000)
    stage.trade()
    stage.turmoil.end()
    stage.trade(at=10)
    first, second = (json.loads(payload) for payload in line.payloads())
    assert (first["ts"], first["data"][0]["T"]) == (NOW + 5_000, NOW + 5_000)
    assert (second["ts"], second["data"][0]["T"]) == (NOW + 10, NOW + 5_000)
    times = [entry.time_ms for entry in stage.ledger.books["BTCUSDT"].newest(2)]
    assert times == [NOW + 5_000] * 2


def test_a_sweep_is_one_order_over_several_frames() -> None:
    """Its frames share a `seq` of their own; ids stay dense, rising and without a twin."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.trade()
    assert stage.outlet.sweep(BTC, 2_500, NOW)
    stage.trade()
    frames = [json.loads(payload)["data"] for payload in line.payloads()]
    assert [len(rows) for rows in frames] == [1, 1024, 1024, 452, 1]
    assert len({row["seq"] for rows in frames[1:4] for row in rows}) == 1
    assert len({rows[0]["seq"] for rows in frames}) == 3
    assert line.ids() == list(range(1, 2_503))


def test_maintenance_closes_all_and_refuses_new_ones_for_its_time() -> None:
    """Every connection gets 1012, new ones 503, until it is over."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("maintenance", seconds=2)
    assert (bytes(line.data)[-2:], stage.turmoil.upgrade_status()) == (b"\x03\xf4", 503)
    stage.turmoil.expire(NOW + 2_000)
    assert stage.turmoil.upgrade_status() is None


def test_upgrades_are_refused_with_the_status_and_as_often_as_asked() -> None:
    """A counted refusal ends by itself."""
    stage = Stage()
    stage.begin("refuse_upgrade", status=429, count=2)
    assert [stage.turmoil.upgrade_status() for _ in range(3)] == [429, 429, None]


def test_probability_strikes_a_share() -> None:
    """About the given share of the frames is struck, the same for the same seed."""
    stage = Stage()
    _, line = stage.connect("a", "BTCUSDT")
    stage.begin("duplicate", probability=0.3)
    stage.trade(count=1000)
    assert 1200 < len(line.ids()) < 1400


def test_a_delisted_symbol_makes_no_trades_and_comes_back() -> None:
    """While it is off the market nothing is made; its book is kept."""
    stage = Stage()
    stage.connect("a", "BTCUSDT")
    stage.trade()
    assert stage.ledger.delist("BTCUSDT")
    stage.trade()
    assert (stage.ledger.made, stage.ledger.delist("BTCUSDT")) == (1, False)
    assert not stage.ledger.enlist(BTC)
    stage.trade()
    assert stage.ledger.made == 2


def test_a_script_is_read_in_order_of_time(tmp_path: Path) -> None:
    """Steps are due at their time after the first look; empty lines don't matter."""
    path = tmp_path / "faults.jsonl"
    path.write_text(
        '{"at": 5, "fault": {"kind": "reset"}}\n\n{"at": 1, "fault": {"kind": "close"}}\n'
    )
    turmoil = Turmoil(Hub(1000), seed=1, script=read_script(path))
    assert turmoil.scripted(NOW) == []
    assert [fault.kind for fault in turmoil.scripted(NOW + 1_000)] == ["close"]
    assert [fault.kind for fault in turmoil.scripted(NOW + 9_000)] == ["reset"]


@pytest.mark.parametrize(
    "line", ["{", '{"at": -1, "fault": {"kind": "reset"}}', '{"at": 1, "fault": {"kind": "x"}}']
)
def test_a_bad_script_names_its_line(tmp_path: Path, line: str) -> None:
    """The message has file and line."""
    path = tmp_path / "faults.jsonl"
    path.write_text(f"\n{line}\n")
    with pytest.raises(SettingsError, match=f"{path}:2: "):
        read_script(path)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_fault_or_a_named_error(raw: bytes) -> None:
    """Nothing but `FaultError` comes out of bad input."""
    with contextlib.suppress(FaultError):
        assert isinstance(parse_fault(raw), Fault)
