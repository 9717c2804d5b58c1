"""Other exchanges' records: every field of the contract from the exchange, or a named error."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import MAX_TIME_MS, MIN_TIME_MS, Trade
from cryptostream.ingest.adapters.convert import from_binance, from_coinbase, from_okx
from cryptostream.ingest.adapters.venues import VENUES, per_connection

NOW_MS = 1_791_457_528_960
BINANCE: dict[str, Any] = {
    "e": "trade", "E": 1_791_457_528_955, "s": "BNBBTC", "t": 12345, "p": "0.00100000",
    "q": "100.00000000", "T": 1_791_457_528_950, "m": True, "M": True,
}  # fmt: skip
OKX: dict[str, Any] = {
    "instId": "BTC-USDT", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306",
    "side": "buy", "ts": "1791457528950", "count": "3", "source": "0", "seqId": 1234,
}  # fmt: skip
COINBASE: dict[str, Any] = {
    "trade_id": "000000000", "product_id": "ETH-USD", "price": "1260.01", "size": "0.3",
    "side": "BUY", "time": "2026-10-08T11:05:28.950123456Z",
}  # fmt: skip
SAMPLES = {"binance": BINANCE, "okx": OKX, "coinbase": COINBASE}

decimals = st.decimals(min_value="0.00000001", max_value=10**9, places=8).map(
    lambda number: f"{number:f}"
)
times = st.integers(MIN_TIME_MS, MAX_TIME_MS)
ids = st.integers(0, 10**15)
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=60),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def test_binances_buyer_who_made_the_price_was_hit_by_a_seller() -> None:
    """`m` true is a taker that sells; E is the push time."""
    trade = from_binance(BINANCE, NOW_MS).trade
    assert trade == Trade(
        exchange="binance", category="spot", symbol="BNBBTC", trade_id="12345",
        price="0.00100000", size="100.00000000", side="sell", trade_time=1_791_457_528_950,
        exchange_time=1_791_457_528_955, ingest_time=NOW_MS, seq=0, block_trade=False, rpi=False,
        origin="live", shard="ccxt",
    )  # fmt: skip
    assert from_binance(BINANCE | {"m": False}, NOW_MS).trade.side == "buy"


def test_okxs_side_is_the_takers_and_a_record_spans_its_count() -> None:
    """Three joined matches end with the id that is given."""
    record = from_okx(OKX, NOW_MS)
    assert (record.trade.side, record.trade.seq, record.trade.exchange_time) == (
        "buy", 1234, 1_791_457_528_950)  # fmt: skip
    assert (record.number, record.span) == (130639474, 3)


def test_coinbases_side_is_the_makers() -> None:
    """A maker that bought was hit by a seller; nanoseconds are cut to milliseconds."""
    trade = from_coinbase(COINBASE, NOW_MS).trade
    assert (trade.side, trade.trade_time) == ("sell", 1_791_457_528_950)
    assert from_coinbase(COINBASE | {"side": "SELL"}, NOW_MS).trade.side == "buy"


@given(price=decimals, size=decimals, time_ms=times, number=ids)
def test_numbers_are_the_exchanges_own_strings(
    price: str, size: str, time_ms: int, number: int
) -> None:
    """No digit of a price, a size, a time or an id is lost on any exchange."""
    when = datetime.fromtimestamp(time_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    when += f".{time_ms % 1000:03d}999Z"
    records = [
        from_binance(BINANCE | {"p": price, "q": size, "T": time_ms, "t": number}, NOW_MS),
        from_okx(
            OKX | {"px": price, "sz": size, "ts": str(time_ms), "tradeId": str(number)}, NOW_MS
        ),
        from_coinbase(
            COINBASE | {"price": price, "size": size, "time": when, "trade_id": str(number)}, NOW_MS
        ),
    ]
    for record in records:
        trade = record.trade
        assert (trade.price, trade.size, trade.trade_time) == (price, size, time_ms)
        assert (record.number, trade.trade_id) == (number, str(number))


@pytest.mark.parametrize("exchange", sorted(SAMPLES))
@given(data=st.data())
def test_a_hostile_record_is_a_named_error(exchange: str, data: st.DataObject) -> None:
    """Whatever stands in a field, or instead of the record: a trade or a `ContractError`."""
    sample = SAMPLES[exchange]
    field = data.draw(st.sampled_from(sorted(sample)))
    for info in (sample | {field: data.draw(junk)}, data.draw(junk)):
        outcome = outcome_of(exchange, info)
        assert isinstance(outcome, Trade) or outcome.reason.startswith("bad_")


def outcome_of(exchange: str, info: object) -> Trade | ContractError:
    """Convert; any other error than the contract's is a failure of the test."""
    try:
        return VENUES[exchange].convert(info, NOW_MS).trade
    except ContractError as error:
        return error


@pytest.mark.parametrize(
    ("exchange", "field"),
    [(exchange, field) for exchange, sample in SAMPLES.items() for field in sample
     if field not in {"e", "M", "source", "count", "seqId"}],
)  # fmt: skip
def test_a_missing_field_is_an_error(exchange: str, field: str) -> None:
    """Nothing that the contract needs is guessed."""
    info = {key: value for key, value in SAMPLES[exchange].items() if key != field}
    with pytest.raises(ContractError):
        VENUES[exchange].convert(info, NOW_MS)


@pytest.mark.parametrize("time", ["2026-10-08T11:05:28", "soon", "1" * 41])
def test_a_time_without_an_offset_is_an_error(time: str) -> None:
    """It could mean any of many hours."""
    with pytest.raises(ContractError, match="bad_trade_time"):
        from_coinbase(COINBASE | {"time": time}, NOW_MS)


@given(count=st.integers(0, 1000))
def test_no_connection_has_more_symbols_than_allowed(count: int) -> None:
    """Every symbol is on one connection, and none has too many."""
    symbols = [f"S{number}" for number in range(count)]
    for venue in VENUES.values():
        groups = per_connection(venue, symbols)
        assert [name for group in groups for name in group] == symbols
        assert all(0 < len(group) <= venue.symbols_per_connection for group in groups)
