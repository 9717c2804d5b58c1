"""Trade frames: what is right becomes trades, what is wrong is named, one does not harm another."""

from __future__ import annotations

import json
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.trade import Trade
from cryptostream.ingest.parse import Rejected, Source, parse_frame
from cryptostream.ingest.protocol import MAX_FRAME_BYTES, Signal, classify_frame

NOW_MS = 1_791_457_528_960
SOURCE = Source("bybit", "spot", "0/1")
#: A true frame of spot: no tick direction, `ts` before `type`.
SPOT = (
    b'{"topic":"publicTrade.BTCUSDT","ts":1791457528952,"type":"snapshot","data":[{"i":'
    b'"2290000001227213949","T":1791457528951,"p":"82680","v":"0.001185","S":"Buy",'
    b'"seq":115115351336,"s":"BTCUSDT","BT":false,"RPI":false}]}'
)
ITEM: dict[str, Any] = json.loads(SPOT)["data"][0]
DATA = Path(
    os.environ.get("CRYPTOSTREAM_DATA")
    or Path(__file__).resolve().parents[3].parent / "shared" / "data"
)
FRAMES = DATA / "bybit_v5_publicTrade_frames.jsonl"
NAMES = {
    "i": "trade_id", "T": "trade_time", "p": "price", "v": "size", "S": "side", "s": "symbol",
    "BT": "block_trade", "RPI": "rpi", "seq": "seq",
}  # fmt: skip
REQUIRED = ("i", "T", "p", "v", "S", "s")


def frame(*items: object, **changes: object) -> bytes:
    """Write a frame of the given trades."""
    return json.dumps(json.loads(SPOT) | {"data": list(items)} | changes).encode()


def parse(raw: bytes) -> tuple[list[Trade], list[Rejected]]:
    """Parse with this module's source and time."""
    return parse_frame(raw, SOURCE, NOW_MS)


def test_a_true_spot_frame_becomes_the_contracts_trade() -> None:
    """Every field of the contract has its value from the frame or its source."""
    assert parse(SPOT) == (
        [
            Trade(
                exchange="bybit",
                category="spot",
                symbol="BTCUSDT",
                trade_id="2290000001227213949",
                price="82680",
                size="0.001185",
                side="buy",
                trade_time=1_791_457_528_951,
                exchange_time=1_791_457_528_952,
                ingest_time=NOW_MS,
                seq=115_115_351_336,
                block_trade=False,
                rpi=False,
                origin="live",
                shard="0/1",
            )
        ],
        [],
    )


@pytest.mark.skipif(not FRAMES.exists(), reason=f"no recorded frames: {FRAMES} is absent")
def test_every_recorded_frame_decodes() -> None:
    """120 frames as Bybit sent them, spot and linear, give all their 347 trades."""
    lines = [msgspec.json.decode(line) for line in FRAMES.read_bytes().splitlines()]
    count = 0
    for line in lines:
        raw = msgspec.json.encode(line["frame"])
        assert classify_frame(raw) is Signal.TRADES
        source = Source("bybit", line["category"], "0/1")
        trades, rejected = parse_frame(raw, source, NOW_MS)
        assert not rejected
        assert [trade.trade_id for trade in trades] == [item["i"] for item in line["frame"]["data"]]
        count += len(trades)
    assert (len(lines), count) == (120, 347)


def test_fields_that_came_later_may_be_missing_and_new_ones_may_come() -> None:
    """Old recordings lack some fields, derivatives have more, and the exchange adds others."""
    old = {key: ITEM[key] for key in REQUIRED}
    linear = ITEM | {"L": "PlusTick", "brandNew": {"deep": [1, 2]}}
    trades, rejected = parse(frame(old, linear, cts=1, other=None))
    assert not rejected
    assert [(trade.seq, trade.rpi) for trade in trades] == [(0, False), (ITEM["seq"], False)]


@pytest.mark.parametrize("field", REQUIRED)
def test_a_trade_without_a_required_field_is_rejected_by_name(field: str) -> None:
    """Its neighbours survive, in order."""
    broken = {key: value for key, value in ITEM.items() if key != field}
    trades, rejected = parse(frame(ITEM, broken, ITEM | {"i": "2"}))
    assert [trade.trade_id for trade in trades] == [ITEM["i"], "2"]
    (only,) = rejected
    assert only.error.reason == f"bad_{NAMES[field]}"


@pytest.mark.parametrize("field", sorted(NAMES))
@pytest.mark.parametrize(
    "value",
    ["null", "[]", "{}", '""', '"NaN"', "-1", "1e400", r'"\u0000"', "1" + "0" * 30, "true",
     f'"{"x" * 99}"', "[" * 50 + "]" * 50],
)  # fmt: skip
def test_a_mutated_trade_is_one_named_error_and_the_rest_survives(field: str, value: str) -> None:
    """Retyping one field of one trade costs at most that trade."""
    raw = frame(ITEM, ITEM | {field: "MUTATED"}, ITEM | {"i": "2"})
    trades, rejected = parse(raw.replace(b'"MUTATED"', value.encode()))
    ids = [trade.trade_id for trade in trades]
    assert ids[0] == ITEM["i"]
    assert ids[-1] == "2"
    assert len(trades) + len(rejected) == 3
    for item in rejected:
        assert item.error.reason == f"bad_{NAMES[field]}"


@pytest.mark.parametrize("item", [None, 1, "x", [], [ITEM], {}])
def test_something_that_is_no_trade_is_rejected_alone(item: object) -> None:
    """Data of another shape among trades is one error."""
    trades, rejected = parse(frame(ITEM, item))
    assert len(trades) == len(rejected) == 1


def test_a_trade_of_another_symbol_is_rejected() -> None:
    """A topic carries the trades of its own symbol; anything else would get a wrong id."""
    trades, (rejected,) = parse(frame(ITEM | {"s": "ETHUSDT"}))
    assert not trades
    assert rejected.error.reason == "bad_symbol"


def test_a_rejected_trade_can_be_driven_through_again() -> None:
    """The dead letter's payload is a frame: mended, it gives the trade with its times."""
    _, (rejected,) = parse(frame(ITEM, ITEM | {"p": "oops"}))
    mended = rejected.payload.replace(b"oops", b"1.5")
    (trade,), none = parse(mended)
    assert not none
    assert (trade.price, trade.exchange_time) == ("1.5", 1_791_457_528_952)


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "bad_frame"),
        (b"nope", "bad_frame"),
        (b"\xff\xfe", "bad_frame"),
        (b"[" * 100_000, "bad_frame"),
        (SPOT.replace(b'"seq":115115351336', b'"x":' + b"[" * 90_000), "bad_frame"),
        (SPOT[:-1], "bad_frame"),
        (frame(ITEM, ts="now"), "bad_frame"),
        (frame(ITEM, data=None), "bad_frame"),
        (frame(ITEM, topic=5), "bad_frame"),
        (frame(ITEM, topic="tickers.BTCUSDT"), "unknown_topic"),
        (SPOT + b" " * MAX_FRAME_BYTES, "frame_too_large"),
    ],
)
def test_a_broken_frame_is_rejected_as_a_whole(raw: bytes, reason: str) -> None:
    """Where no trade can be made out, the whole frame is kept with its reason."""
    trades, (rejected,) = parse(raw)
    assert not trades
    assert (rejected.error.reason, rejected.payload) == (reason, raw)


def test_an_empty_frame_has_no_trades() -> None:
    """No data is no error."""
    assert parse(frame()) == ([], [])


@pytest.mark.parametrize("count", [1024, 1025])
def test_the_largest_documented_frame_is_read(count: int) -> None:
    """1,024 trades is Bybit's maximum; one more is no reason to lose any."""
    items = [ITEM | {"i": str(number)} for number in range(count)]
    trades, rejected = parse(frame(*items))
    assert [trade.trade_id for trade in trades] == [str(number) for number in range(count)]
    assert not rejected


@pytest.mark.parametrize("changed", [{"ts": 1_791_457_528}, {"ts": 1_791_457_528_952_000_000}])
def test_times_in_other_units_are_rejected_trade_by_trade(changed: dict[str, int]) -> None:
    """Seconds and nanoseconds are no milliseconds."""
    trades, rejected = parse(frame(ITEM, ITEM, **changed))
    assert not trades
    assert [item.error.reason for item in rejected] == ["bad_exchange_time"] * 2


@given(st.binary(max_size=400))
def test_any_bytes_give_trades_or_rejections(raw: bytes) -> None:
    """Nothing is raised, and what gave no trade is kept."""
    trades, rejected = parse(raw)
    assert not trades
    assert [item.payload for item in rejected] == [raw]


@given(st.data())
def test_a_damaged_true_frame_never_raises(data: st.DataObject) -> None:
    """Bytes overwritten, cut out or doubled anywhere: trades, rejections or both."""
    raw = bytearray(frame(ITEM, ITEM | {"i": "2"}, ITEM | {"i": "3"}))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(raw)))
        end = data.draw(st.integers(start, min(len(raw), start + 8)))
        raw[start:end] = data.draw(st.binary(max_size=8))
    trades, rejected = parse(bytes(raw))
    assert all(isinstance(trade, Trade) for trade in trades)
    assert all(item.error.reason for item in rejected)


@given(st.lists(st.booleans(), max_size=30))
def test_good_and_bad_trades_are_each_counted_once(pattern: list[bool]) -> None:
    """Of n trades in a frame, each is read or rejected, and the order stays."""
    items = []
    for number, good in enumerate(pattern):
        item = deepcopy(ITEM) | {"i": f"n{number}"}
        items.append(item if good else item | {"p": "-1"})
    trades, rejected = parse(frame(*items))
    assert [trade.trade_id for trade in trades] == [
        f"n{number}" for number, good in enumerate(pattern) if good
    ]
    bad = [json.loads(item.payload)["data"][0]["i"] for item in rejected]
    assert bad == [f"n{number}" for number, good in enumerate(pattern) if not good]
