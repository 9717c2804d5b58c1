"""The trade: whatever comes in, a Trade or a ContractError comes out."""

from __future__ import annotations

import contextlib
import json
import math

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import (
    MAX_NUMBER,
    MAX_SEQ,
    MAX_TIME_MS,
    MIN_NUMBER,
    MIN_TIME_MS,
    Trade,
    check_identity,
    decode_trade,
    encode_trade,
)

NAMES = st.text("ABCXYZabcxyz0123456789-_.@+", min_size=1, max_size=64)
TIMES = st.integers(MIN_TIME_MS, MAX_TIME_MS)
NUMBERS = st.decimals("0.000000000000001", "1000000000000000", allow_nan=False, places=15).map(
    lambda value: f"{value:f}"
)
TRADES = st.builds(
    Trade,
    exchange=NAMES,
    category=NAMES,
    symbol=NAMES,
    trade_id=NAMES,
    price=NUMBERS,
    size=NUMBERS,
    side=st.sampled_from(("buy", "sell")),
    trade_time=TIMES,
    exchange_time=TIMES,
    ingest_time=TIMES,
    seq=st.integers(0, MAX_SEQ),
    block_trade=st.booleans(),
    rpi=st.booleans(),
    origin=st.sampled_from(("live", "stitched", "replay", "dump")),
    shard=st.text(st.characters(exclude_categories=["Cs"]), max_size=64),
    v=st.just(1),
)
GOOD = {
    "exchange": "bybit",
    "category": "spot",
    "symbol": "BTCUSDT",
    "trade_id": "2290000001227213949",
    "price": "82680.10",
    "size": "0.001185",
    "side": "buy",
    "trade_time": 1_791_457_528_951,
    "exchange_time": 1_791_457_528_952,
    "ingest_time": 1_791_457_528_960,
    "seq": 115_115_351_336,
    "block_trade": False,
    "rpi": False,
    "origin": "live",
    "shard": "0/1",
    "v": 1,
}
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@given(TRADES)
def test_encoding_and_decoding_a_trade_gives_it_back(trade: Trade) -> None:
    """What encode_trade writes, decode_trade reads, every field of it."""
    assert decode_trade(encode_trade(trade)) == trade


@given(st.binary() | ANY_JSON.map(lambda value: json.dumps(value).encode()))
@example(b"[" * 100_000)
@example(b'{"v":' * 5_000)
@example(b"\xff\xfe")
@example(b'"\\ud800"')
def test_any_bytes_decode_to_a_trade_or_a_contract_error(raw: bytes) -> None:
    """No other exception leaves decode_trade, whatever the bytes."""
    with contextlib.suppress(ContractError):
        assert isinstance(decode_trade(raw), Trade)


@given(st.sampled_from(sorted(GOOD)), ANY_JSON)
@example("seq", 10**400)
@example("trade_time", 1e400)
@example("symbol", "\ud800")
def test_a_field_of_any_value_decodes_or_is_a_contract_error(field: str, value: object) -> None:
    """One hostile field never raises anything else than a ContractError."""
    try:
        trade = decode_trade(json.dumps(GOOD | {field: value}).encode())
    except ContractError:
        return
    assert decode_trade(encode_trade(trade)) == trade


def test_a_number_of_more_digits_than_python_prints_is_a_contract_error() -> None:
    """Python refuses to print an integer of 5,000 digits; the error's text must not need it."""
    raw = json.dumps(GOOD).encode().replace(b"1791457528951", b"9" * 5_000)
    with pytest.raises(ContractError):
        decode_trade(raw)


@pytest.mark.parametrize("field", sorted(set(GOOD) - {"v"}))
def test_a_missing_field_is_an_error_that_names_it(field: str) -> None:
    """Nothing is filled in for a field that isn't there."""
    raw = json.dumps({key: value for key, value in GOOD.items() if key != field}).encode()
    with pytest.raises(ContractError, match=f"`{field}`"):
        decode_trade(raw)


def test_an_unknown_field_is_kept_out() -> None:
    """A field that this version does not know changes nothing: a newer producer may send it."""
    assert decode_trade(json.dumps(GOOD | {"surprise": 1}).encode()) == Trade(**GOOD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("price", "NaN"), ("price", "Infinity"), ("price", "-1"), ("price", "0"), ("price", "0.0"),
        ("price", "1e5"), ("price", "1_000"), ("price", " 1"), ("price", "1\n"), ("price", ""),
        ("price", "."), ("price", "1.2.3"), ("price", "\u0661\u0662"), ("price", "9" * 41),
        ("price", "1" + "0" * 16), ("size", "0." + "0" * 16 + "1"), ("size", "0x1"),
        ("symbol", ""), ("symbol", "BTC:USDT"), ("symbol", 'A"B'), ("symbol", "A\nB"),
        ("symbol", "A" * 65), ("trade_id", "a b"), ("exchange", "b\\y"), ("category", "sp\u00f6t"),
        ("trade_time", 1_791_457_528), ("trade_time", 1_791_457_528_951_000), ("ingest_time", -1),
        ("exchange_time", 0), ("seq", -1), ("seq", 2**63), ("v", 2), ("shard", "x" * 65),
    ],
)  # fmt: skip
def test_a_value_outside_its_range_is_refused_by_the_fields_name(field: str, value: object) -> None:
    """The reason is `bad_<field>`, so that a metric can be labelled with it."""
    reason = "bad_version" if field == "v" else f"bad_{field}"
    with pytest.raises(ContractError) as caught:
        decode_trade(json.dumps(GOOD | {field: value}).encode())
    assert caught.value.reason == reason
    assert len(str(caught.value)) < 300


def test_the_constructor_holds_the_contract_too() -> None:
    """A Trade that breaks its contract can't be made in the process either."""
    with pytest.raises(ContractError, match="bad_price"):
        Trade(**(GOOD | {"price": "-1"}))  # type: ignore[arg-type]


@given(st.lists(st.text(max_size=6), min_size=4, max_size=4))
def test_the_fast_check_of_the_identity_agrees_with_the_named_one(parts: list[str]) -> None:
    """The one-match check accepts exactly what the check field by field accepts."""
    exchange, category, symbol, trade_id = parts
    good = GOOD | dict(zip(("exchange", "category", "symbol", "trade_id"), parts, strict=True))
    try:
        check_identity(exchange, category, symbol, trade_id)
    except ContractError:
        with pytest.raises(ContractError):
            Trade(**good)  # type: ignore[arg-type]
    else:
        assert Trade(**good).symbol == symbol  # type: ignore[arg-type]


@given(NUMBERS)
def test_numbers_stay_as_the_exchange_wrote_them(text: str) -> None:
    """Prices travel as text: no digit is lost, and the text is a finite number in range."""
    trade = decode_trade(json.dumps(GOOD | {"price": text}).encode())
    assert trade.price == text
    assert math.isfinite(float(text))
    assert MIN_NUMBER <= float(text) <= MAX_NUMBER


def test_the_encoded_trade_has_the_fields_of_the_contract() -> None:
    """Readers in other languages find exactly these names."""
    trade = msgspec.convert(GOOD, Trade)
    assert json.loads(encode_trade(trade)) == GOOD
