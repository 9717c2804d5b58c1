"""Candles against the exchange's: the simulator's klines of the same trades."""

from __future__ import annotations

from typing import Any, Final

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.messages import INTERVAL_MS, Interval
from cryptostream.simulator.instruments import Instrument
from cryptostream.simulator.klines import kline_row, klines
from cryptostream.simulator.ledger import Book
from cryptostream.simulator.tape import BUY, SELL, Order
from cryptostream.stream.bars import Fill
from cryptostream.stream.candlesticks import Candles

BTC: Final = Instrument("BTCUSDT", price_decimals=2, size_decimals=6)
START: Final = 1_795_392_000_000
#: The simulator has klines from a minute on, as the exchange does.
INTERVALS: Final[dict[Interval, str]] = {"1m": "1", "5m": "5", "15m": "15", "1h": "60"}

_ORDERS = st.lists(
    st.tuples(
        st.sampled_from([0, 400, 20_000, 200_000]),
        st.lists(st.tuples(st.integers(1, 10**7), st.integers(1, 10**9)), min_size=1, max_size=3),
        st.booleans(),
    ),
    min_size=1,
    max_size=40,
)


@given(_ORDERS)
def test_candles_equal_the_exchanges_klines(orders: list[tuple[int, Any, bool]]) -> None:
    """Prices are equal as written, volume and turnover to 1e-9; quiet minutes have no candle."""
    book, candles, now = Book(BTC), Candles(("sim", "spot", "BTCUSDT")), START
    for number, (wait, fills, bought) in enumerate(orders):
        now += wait
        _trade(book, candles, number, now, fills, bought=bought)
    found = candles.close(now + INTERVAL_MS["1h"])
    for interval in INTERVALS:
        ours = {one.start: one for one in found if one.interval == interval}
        length = INTERVAL_MS[interval]
        theirs = klines(book, start_ms=START, end_ms=now, limit=1_000, span_ms=length)
        traded = {one.start: one for one in theirs if one.volume}
        assert ours.keys() == traded.keys()
        for start, kline in traded.items():
            mine, row = ours[start], [float(text) for text in kline_row(kline, book)[1:]]
            assert [mine.open, mine.high, mine.low, mine.close] == row[:4]
            assert abs(mine.volume / row[4] - 1) < 1e-9
            assert abs(mine.turnover / row[5] - 1) < 1e-9


def _trade(
    book: Book, candles: Candles, seq: int, now: int, fills: list[tuple[int, int]], *, bought: bool
) -> None:
    """Enter an order on both sides; its fills share time and sequence."""
    prices, sizes = [ticks for ticks, _ in fills], [lots for _, lots in fills]
    ids, side = list(range(len(fills))), BUY if bought else SELL
    order = Order(now, seq, side, ids, prices, sizes, rpi=[False] * len(fills))
    book.append(order, sent=True)
    for ticks, lots in fills:
        price = ticks / 10**BTC.price_decimals
        candles.add(Fill(now, seq, price, lots / 10**BTC.size_decimals, bought=bought))
