"""The ledger keeps every trade once, within its bound, and klines follow from it."""

from __future__ import annotations

import json
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.simulator.instruments import UNIVERSE
from cryptostream.simulator.klines import MINUTE_MS, kline_row, klines
from cryptostream.simulator.ledger import CHUNK_TRADES, Book, Ledger
from cryptostream.simulator.tape import BUY, SELL, Order

BTC, ETH = UNIVERSE[0], UNIVERSE[1]
START = 1_795_305_600_000
ALWAYS = 2**53


def write(
    book: Book, *, at: int, price: int, size: int = 1, side: int = BUY, sent: bool = True
) -> bool:
    """Enter one order of one fill."""
    order = Order(
        time_ms=at,
        seq=1,
        side=side,
        ids=[book.made],
        prices=[price],
        sizes=[size],
        rpi=[False],
    )
    return book.append(order, sent=sent)


def test_unsent_trades_are_made_but_not_listed() -> None:
    """A trade that nobody heard counts as made, and stays out of `sent` and the listing."""
    book = Book(BTC)
    write(book, at=START, price=826_800, sent=True)
    write(book, at=START, price=826_801, sent=False)
    lines = b"".join(book.sent_lines()).splitlines()
    assert (book.made, book.sent, len(lines)) == (2, 1, 1)


def test_a_line_has_the_trade_in_decimal_text() -> None:
    """The listing speaks in the exchange's decimals and the contract's side."""
    book = Book(BTC)
    write(book, at=START, price=826_805, size=1_185, side=SELL)
    assert json.loads(b"".join(book.sent_lines())) == {
        "symbol": "BTCUSDT",
        "trade_id": "0",
        "price": "82680.5",
        "size": "0.001185",
        "side": "sell",
        "trade_time": START,
    }


def test_newest_crosses_chunks() -> None:
    """The newest trades come newest first, also where a chunk ends among them."""
    book = Book(BTC)
    for number in range(CHUNK_TRADES + 10):
        write(book, at=START + number, price=1 + number)
    newest = [entry.trade_id for entry in book.newest(60)]
    assert newest == list(range(CHUNK_TRADES + 9, CHUNK_TRADES - 51, -1))


def test_the_bound_holds_and_spares_quiet_symbols() -> None:
    """Beyond the bound the busiest symbol forgets its oldest trades; counts go on."""
    ledger = Ledger((BTC, ETH), max_trades=4 * CHUNK_TRADES)
    write(ledger.books["ETHUSDT"], at=START, price=5)
    for number in range(10 * CHUNK_TRADES):
        if write(ledger.books["BTCUSDT"], at=START + number, price=1):
            ledger.bound()
    assert ledger.held <= 5 * CHUNK_TRADES
    assert ledger.sent == 10 * CHUNK_TRADES + 1
    assert ledger.books["ETHUSDT"].held == 1
    assert ledger.books["BTCUSDT"].newest(1)[0].trade_id == 10 * CHUNK_TRADES - 1


def test_a_kline_is_exact() -> None:
    """Open, high, low, close, volume and turnover of a minute, in Bybit's strings."""
    book = Book(BTC)
    for second, price, size in ((1, 826_800, 10), (2, 826_900, 20), (59, 826_700, 30)):
        write(book, at=START + second * 1000, price=price, size=size)
    (kline,) = klines(book, start_ms=START, end_ms=START, limit=10)
    turnover = Decimal(82680) * 10 + Decimal(82690) * 20 + Decimal(82670) * 30
    assert kline_row(kline, book) == [
        str(START),
        "82680",
        "82690",
        "82670",
        "82670",
        "0.00006",
        str((turnover / 10**6).normalize()),
    ]


def test_a_minute_without_trades_is_flat_at_the_close_before() -> None:
    """Minutes between trades are there, without volume."""
    book = Book(BTC)
    write(book, at=START, price=5)
    write(book, at=START + 3 * MINUTE_MS, price=7)
    found = klines(book, start_ms=0, end_ms=START + 3 * MINUTE_MS, limit=10)
    assert [(k.start - START, k.open, k.close, k.volume) for k in found] == [
        (3 * MINUTE_MS, 7, 7, 1),
        (2 * MINUTE_MS, 5, 5, 0),
        (MINUTE_MS, 5, 5, 0),
        (0, 5, 5, 1),
    ]


def test_the_limit_keeps_the_newest_minutes() -> None:
    """Of more minutes than the limit the newest are given; a flat one knows its past."""
    book = Book(BTC)
    write(book, at=START, price=5)
    found = klines(book, start_ms=0, end_ms=START + 9 * MINUTE_MS, limit=2)
    assert [(k.start - START) // MINUTE_MS for k in found] == [9, 8]
    assert {k.close for k in found} == {5}


def test_there_are_no_klines_before_the_first_trade() -> None:
    """An empty book, or a window before its first trade, has no klines."""
    book = Book(BTC)
    assert klines(book, start_ms=0, end_ms=ALWAYS, limit=5) == []
    write(book, at=START, price=5)
    assert klines(book, start_ms=0, end_ms=START - 1, limit=5) == []


ORDERS = st.lists(
    st.tuples(
        st.integers(0, 90_000), st.integers(1, 10**12), st.integers(1, 10**12), st.booleans()
    ),
    min_size=1,
    max_size=40,
)


@settings(deadline=None)
@given(ORDERS)
def test_klines_add_up_to_the_ledger(orders: list[tuple[int, int, int, bool]]) -> None:
    """Whatever was traded, the klines' volumes and turnovers sum to it exactly."""
    book, now = Book(BTC), START
    for wait, price, size, sent in orders:
        now += wait
        write(book, at=now, price=price, size=size, sent=sent)
    found = klines(book, start_ms=0, end_ms=now, limit=1000)
    assert sum(k.volume for k in found) == sum(size for _, _, size, _ in orders)
    assert sum(k.turnover for k in found) == sum(price * size for _, price, size, _ in orders)
    assert all(k.low <= min(k.open, k.close) <= max(k.open, k.close) <= k.high for k in found)
    assert [k.start for k in found] == sorted({k.start for k in found}, reverse=True)


@settings(deadline=None)
@given(ORDERS)
def test_the_listing_is_the_sent_trades(orders: list[tuple[int, int, int, bool]]) -> None:
    """Every sent trade is listed exactly once and in order, and no other."""
    book = Book(BTC)
    for _, price, size, sent in orders:
        write(book, at=START, price=price, size=size, sent=sent)
    listed = [json.loads(line)["trade_id"] for line in b"".join(book.sent_lines()).splitlines()]
    assert listed == [str(at) for at, order in enumerate(orders) if order[3]]
    assert book.sent == len(listed)


@given(
    st.lists(st.tuples(st.integers(0, 200), st.integers(1, 9)), min_size=1, max_size=50),
    st.sampled_from([3, 5, 15, 30, 60, 1440]),
)
def test_longer_klines_are_made_of_minutes(steps: list[tuple[int, int]], minutes: int) -> None:
    """A longer candle has the first open, the extremes, the last close and all the volume."""
    book, at = Book(BTC), START
    for seconds, price in steps:
        at += seconds * 1000
        write(book, at=at, price=price, size=price)
    short = klines(book, start_ms=0, end_ms=at, limit=10_000)[::-1]
    span = minutes * MINUTE_MS
    for long in klines(book, start_ms=0, end_ms=at, limit=10_000, span_ms=span):
        parts = [k for k in short if long.start <= k.start < long.start + span]
        # A minute without trades repeats the close before it, which may be another candle's.
        parts = [k for k in parts if k.volume] or parts
        assert (long.open, long.close) == (parts[0].open, parts[-1].close)
        assert (long.high, long.low) == (max(k.high for k in parts), min(k.low for k in parts))
        assert long.volume == sum(k.volume for k in parts)
        assert long.turnover == sum(k.turnover for k in parts)
