"""Bybit's market REST: from a query to its answer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.simulator.instruments import UNIVERSE
from cryptostream.simulator.ledger import Ledger
from cryptostream.simulator.rest import ROUTES, respond
from cryptostream.simulator.tape import SELL, Order

NOW_MS = 1_795_305_600_000
MINUTE_MS = 60_000


def ledger(trades: int = 0) -> Ledger:
    """Give a ledger of two symbols and so many trades, one a minute, up to now."""
    made = Ledger(UNIVERSE[:2], max_trades=100_000)
    for number in range(trades):
        order = Order(
            time_ms=NOW_MS - (trades - 1 - number) * MINUTE_MS,
            seq=100 + number,
            side=SELL,
            ids=[2290000000000000000 + number],
            prices=[826_800 + number],
            sizes=[1_185],
            rpi=[True],
        )
        made.books["BTCUSDT"].append(order, sent=True)
    return made


def get(path: str, made: Ledger | None = None, **query: str) -> dict[str, Any]:
    """Ask for a path under /v5/market/."""
    return respond(f"/v5/market/{path}", query, made or ledger(), NOW_MS * 10**6)


def test_the_envelope_is_bybits() -> None:
    """Every answer has code, message, result, retExtInfo and the server's time."""
    assert get("time") == {
        "retCode": 0,
        "retMsg": "OK",
        "result": {"timeSecond": "1795305600", "timeNano": "1795305600000000000"},
        "retExtInfo": {},
        "time": NOW_MS,
    }


def test_instruments_are_listed_with_bybits_fields() -> None:
    """A row has the spot fields; all are strings but the symbolId."""
    result = get("instruments-info", category="spot")["result"]
    row = result["list"][0]
    assert [r["symbol"] for r in result["list"]] == ["BTCUSDT", "ETHUSDT"]
    assert (row["baseCoin"], row["quoteCoin"], row["status"]) == ("BTC", "USDT", "Trading")
    assert row["priceFilter"] == {"tickSize": "0.1"}
    assert row["lotSizeFilter"]["basePrecision"] == "0.000001"
    assert isinstance(row["symbolId"], int)


def test_one_instrument_can_be_asked_for() -> None:
    """A symbol gives its row; an unknown one gives none."""
    one = get("instruments-info", category="spot", symbol="ETHUSDT")["result"]["list"]
    none = get("instruments-info", category="spot", symbol="NOPE")["result"]["list"]
    assert ([row["symbol"] for row in one], none) == (["ETHUSDT"], [])


def test_recent_trades_come_newest_first() -> None:
    """Rows have the types of spot, seq as text, and execId is the WebSocket's `i`."""
    made = ledger(3)
    rows = get("recent-trade", made, category="spot", symbol="BTCUSDT", limit="2")["result"]["list"]
    assert rows[0] == {
        "execId": "2290000000000000002",
        "symbol": "BTCUSDT",
        "price": "82680.2",
        "size": "0.001185",
        "side": "Sell",
        "time": str(NOW_MS),
        "isBlockTrade": False,
        "isRPITrade": True,
        "seq": "102",
    }
    assert [row["execId"][-1] for row in rows] == ["2", "1"]


def test_recent_trades_are_at_most_sixty() -> None:
    """Spot gives 60 rows, and refuses to give more."""
    made = ledger(100)
    answer = get("recent-trade", made, category="spot", symbol="BTCUSDT")
    assert len(answer["result"]["list"]) == 60
    more = get("recent-trade", made, category="spot", symbol="BTCUSDT", limit="61")
    assert (more["retCode"], more["result"]) == (10001, {})


def klines(made: Ledger, **query: str) -> list[int]:
    """Give the starts of the klines asked for, in minutes before now."""
    answer = get("kline", made, category="spot", symbol="BTCUSDT", interval="1", **query)
    assert answer["retCode"] == 0, answer
    return [(NOW_MS - int(row[0])) // MINUTE_MS for row in answer["result"]["list"]]


def test_klines_come_newest_first() -> None:
    """Without bounds the newest are given, up to the limit."""
    assert klines(ledger(10), limit="3") == [0, 1, 2]


def test_klines_between_two_times() -> None:
    """Start and end bound the klines' start times, both inclusive."""
    start, end = str(NOW_MS - 5 * MINUTE_MS), str(NOW_MS - 3 * MINUTE_MS)
    assert klines(ledger(10), start=start, end=end) == [3, 4, 5]


def test_klines_from_a_time_on() -> None:
    """With a start alone the window begins there."""
    assert klines(ledger(10), start=str(NOW_MS - 5 * MINUTE_MS), limit="2") == [4, 5]


def test_no_kline_begins_in_the_future() -> None:
    """An end beyond now changes nothing."""
    assert klines(ledger(2), end=str(2**52)) == [0, 1]


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("instruments-info", {}),
        ("instruments-info", {"category": "linear"}),
        ("recent-trade", {"category": "spot"}),
        ("recent-trade", {"category": "spot", "symbol": "NOPE"}),
        ("recent-trade", {"category": "spot", "symbol": "BTCUSDT", "limit": "0"}),
        ("recent-trade", {"category": "spot", "symbol": "BTCUSDT", "limit": "x"}),
        ("kline", {"category": "spot", "symbol": "BTCUSDT"}),
        ("kline", {"category": "spot", "symbol": "BTCUSDT", "interval": "7"}),
        ("kline", {"category": "spot", "symbol": "BTCUSDT", "interval": "1", "limit": "1001"}),
        ("kline", {"category": "spot", "symbol": "BTCUSDT", "interval": "1", "start": "-1"}),
    ],
)
def test_wrong_parameters_are_error_10001(path: str, query: dict[str, str]) -> None:
    """A missing or wrong parameter is answered in the envelope with an empty result."""
    answer = get(path, **query)
    assert (answer["retCode"], answer["result"]) == (10001, {})
    assert answer["retMsg"] != "OK"


WORD = st.sampled_from(["spot", "BTCUSDT", "1", "0", "60", str(NOW_MS), ""]) | st.text(max_size=30)
KEY = st.sampled_from(["category", "symbol", "interval", "start", "end", "limit"])


@settings(deadline=None)
@given(st.sampled_from(sorted(ROUTES)), st.dictionaries(KEY, WORD))
def test_every_query_is_answered(path: str, query: dict[str, str]) -> None:
    """Whatever is asked, the answer is an envelope with code 0 or 10001."""
    answer = respond(path, query, ledger(3), NOW_MS * 10**6)
    assert answer["retCode"] in {0, 10001}
