"""Request bodies and answers."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.board import parse, queries
from cryptostream.board.instruments import Instrument
from cryptostream.board.model import CandleDocument, TradeDocument
from cryptostream.board.params import TradeFilter
from cryptostream.contracts import indices

BITCOIN = Instrument("bybit", "spot", "BTCUSDT")
CANDLE = {
    "symbol": "BTCUSDT", "interval": "1s", "start": 0,
    "open": 1, "high": 2, "low": 1, "close": 2, "volume": 3,
}  # fmt: skip


def candle(start: int) -> CandleDocument:
    """Make a candle that starts then."""
    found = parse.document(CANDLE | {"start": start}, CandleDocument)
    assert found
    return found


def test_every_field_asked_for_is_in_the_contract() -> None:
    """A renamed field of the index template fails here, not on the page."""
    templates = indices.index_templates()
    for kind, fields in (("trades", queries.TRADE_FIELDS), ("candles", queries.CANDLE_FIELDS)):
        known = templates[f"crypto-{kind}"]["template"]["mappings"]["properties"]
        for name in fields:
            first, _, second = name.partition(".")
            assert first in known, name
            assert not second or second in known[first]["properties"], name


def test_changes_are_asked_after_each_floor_and_of_new_indices() -> None:
    """A known index is read after its floor, an unknown one entirely, oldest writes first."""
    body = queries.changes_body({"b": 7, "a": -1}, ("symbol",), 10)
    (choice,) = body["query"]["bool"]["filter"]
    a, b, unknown = choice["bool"]["should"]
    assert a["bool"]["filter"] == [{"term": {"_index": "a"}}, {"range": {"_seq_no": {"gt": -1}}}]
    assert b["bool"]["filter"][1] == {"range": {"_seq_no": {"gt": 7}}}
    assert unknown == {"bool": {"must_not": [{"terms": {"_index": ["a", "b"]}}]}}
    assert body["sort"][0]["_seq_no"]["order"] == "asc"
    assert body["size"] == 10


def test_every_body_is_bounded() -> None:
    """Each question has a size, a time limit, and doesn't count what it doesn't show."""
    for body in (
        queries.tops_body(),
        queries.changes_body({}, ("symbol",)),
        queries.trades_body(BITCOIN, 50, None, TradeFilter()),
        queries.candles_body(BITCOIN, "1s", 60),
        queries.newest_body(),
        queries.symbols_body(0),
    ):
        assert body["size"] <= queries.PAGE
        assert body["timeout"] == queries.TIMEOUT
        assert body["track_total_hits"] is False


def test_a_document_of_another_shape_is_none() -> None:
    """A missing or wrong field makes no trade and no error."""
    whole = {
        "symbol": "A", "trade_id": "1", "price": 1, "size": 1, "side": "buy", "trade_time": 1,
    }  # fmt: skip
    assert parse.document(whole, TradeDocument)
    assert parse.document(whole | {"side": "both"}, TradeDocument) is None
    assert parse.document(whole | {"price": "x"}, TradeDocument) is None
    assert parse.document({}, TradeDocument) is None
    assert parse.document(whole | {"prediction": {"reason": "predictor_down"}}, TradeDocument)


@given(st.lists(st.integers(0, 400), unique=True), st.integers(1, 5))
def test_a_window_keeps_the_minutes_up_to_the_newest(seconds: list[int], minutes: int) -> None:
    """Oldest first, nothing older than the window, the newest always kept."""
    newest_first = [candle(1000 * second) for second in sorted(seconds, reverse=True)]
    kept = [one.start // 1000 for one in parse.window(newest_first, "1s", minutes)]
    assert kept == [s for s in sorted(seconds) if s > max(seconds) - 60 * minutes]


def test_symbols_come_by_name_with_the_days_edges() -> None:
    """The change is the last close over the first open of the day."""

    def hit(source: dict[str, Any]) -> dict[str, Any]:
        return {"hits": {"hits": [{"_source": source}]}}

    buckets = [
        {
            "key": {"exchange": "bybit", "category": "spot", "symbol": name},
            "first": hit({"open": 50, "start": 9}),
            "last": hit({"close": close}),
        }
        for name, close in (("ETHUSDT", 55), ("BTCUSDT", 49))
    ]
    found = parse.symbols({"aggregations": {"symbols": {"buckets": buckets}}})
    assert [(one.symbol, one.last, round(one.change, 6), one.since) for one in found] == [
        ("BTCUSDT", 49, -0.02, 9),
        ("ETHUSDT", 55, 0.1, 9),
    ]


def test_answers_without_indices_are_empty() -> None:
    """Before the first document Elasticsearch gives no aggregations at all."""
    nothing: dict[str, Any] = {"hits": {"hits": []}}
    assert parse.tops(nothing) == {}
    assert parse.newest(nothing) is None
    assert parse.symbols(nothing) == []
    assert list(parse.changes(nothing)) == []
