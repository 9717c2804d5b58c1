"""Kafka records: trades in order, a dead letter for all else."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from support.trades import TIME_MS, a_record, a_trade

from cryptostream.contracts.trade import encode_trade
from cryptostream.stream.records import read_records


def _row(value: bytes | None, offset: int = 0) -> dict[str, Any]:
    return {
        "value": value,
        "topic": "bybit-trades",
        "partition": 0,
        "offset": offset,
        "kafka_time": TIME_MS + 4,
    }


def test_trades_come_in_the_order_of_their_symbol() -> None:
    """Within a symbol match time decides, then the exchange's sequence, then the offset."""
    changes = [
        {"symbol": "B", "trade_time": TIME_MS, "seq": 2},
        {"symbol": "A", "trade_time": TIME_MS + 1, "seq": 1},
        {"symbol": "A", "trade_time": TIME_MS, "seq": 3},
        {"symbol": "A", "trade_time": TIME_MS, "seq": 2},
        {"symbol": "A", "trade_time": TIME_MS, "seq": 2},
    ]
    rows = [_row(encode_trade(a_trade(**one)), at) for at, one in enumerate(changes)]
    records, letters = read_records(rows, now_ms=0)
    assert [record.offset for record in records] == [3, 4, 2, 1, 0]
    assert letters == []
    assert records[0] == a_record(offset=3, **changes[3])


def test_a_bad_record_names_its_place_and_reason() -> None:
    """What can't be read becomes one dead letter with the raw bytes; the others go on."""
    good = encode_trade(a_trade())
    records, letters = read_records([_row(None, 1), _row(b"{", 2), _row(good, 3)], now_ms=9)
    assert [record.offset for record in records] == [3]
    assert [(letter.source, letter.reason, letter.raw()) for letter in letters] == [
        ("bybit-trades/0@1", "empty", b""),
        ("bybit-trades/0@2", "bad_trade", b"{"),
    ]
    assert {letter.time for letter in letters} == {9}


@given(st.lists(st.binary(max_size=200) | st.none(), max_size=20))
def test_no_bytes_stop_the_stream(values: list[bytes | None]) -> None:
    """Every record becomes a trade or a dead letter, whatever it holds."""
    records, letters = read_records([_row(value) for value in values], now_ms=0)
    assert len(records) + len(letters) == len(values)
