"""Documents: their ids, their index, and fields that the strict templates know."""

from __future__ import annotations

import json

import msgspec
from support.trades import a_record

from cryptostream.contracts.features import FEATURE_COUNT, FEATURES_HASH
from cryptostream.contracts.indices import index_templates
from cryptostream.contracts.messages import Candle
from cryptostream.stream.documents import candle_action, rolling_action, trade_action
from cryptostream.stream.engine import CandleUpdate
from cryptostream.stream.predictor import BLOCK_TRADE, Prediction
from cryptostream.stream.rolling import Rolling

CANDLE = Candle(
    exchange="bybit", category="spot", symbol="BTCUSDT", interval="1m", start=1_795_392_000_000,
    open=1.0, high=4.0, low=0.5, close=2.0, volume=10.0, turnover=25.0, vwap=2.5, trades=3,
    buy_volume=4.0, sell_volume=6.0, ofi=-0.2, volatility=0.1, final=True, late=1,
)  # fmt: skip
CANDLE_PLACE = {"_index": "crypto-candles-2026.11.23", "_id": "bybit:spot:BTCUSDT:1m:1795392000000"}


def _known(kind: str) -> set[str]:
    return set(index_templates()[f"crypto-{kind}"]["template"]["mappings"]["properties"])


def test_a_trade_is_created_under_its_own_id_on_its_event_day() -> None:
    """Index and id come from the trade alone: 23:59:59.999 belongs to the day that ends."""
    action = trade_action(
        a_record(), ([0.0] * FEATURE_COUNT, True), Prediction(0.7, "m:1"), stream_time=5
    )
    assert json.loads(action.header) == {
        "create": {"_index": "crypto-trades-2026.11.22", "_id": "bybit:spot:BTCUSDT:7"}
    }


def test_a_trades_document_holds_features_and_prediction() -> None:
    """The vector is stored with its feature list's hash, the prediction with its model."""
    vector = [float(n) for n in range(FEATURE_COUNT)]
    body = json.loads(
        trade_action(a_record(), (vector, False), Prediction(0.2, "m:1"), stream_time=5).body
    )
    assert (body["features"], body["features_hash"], body["warm"]) == (vector, FEATURES_HASH, False)
    assert body["prediction"]["direction"] == "down"
    assert body["notional"] == 201.0
    assert set(body) <= _known("trades")


def test_a_block_trade_has_a_reason_and_no_features() -> None:
    """A trade without a vector says why it has no prediction."""
    body = json.loads(trade_action(a_record(), None, BLOCK_TRADE, stream_time=5).body)
    assert body["prediction"] == {"reason": "block_trade"}
    assert "features" not in body


def test_a_candle_overwrites_its_earlier_state() -> None:
    """A candle is indexed whole under its interval and start, with its indicators."""
    action = candle_action(CandleUpdate(CANDLE, {"rsi_14": 50.0}, warm=False))
    assert json.loads(action.header) == {"index": CANDLE_PLACE}
    body = json.loads(action.body)
    assert body == {
        **msgspec.to_builtins(CANDLE), "indicators": {"rsi_14": 50.0}, "warm": False
    }  # fmt: skip
    assert set(body) <= _known("candles")


def test_a_corrected_candle_keeps_its_indicators() -> None:
    """A correction writes the candle's own fields, and makes the document if it is not there."""
    action = candle_action(CandleUpdate(CANDLE, None, warm=False))
    assert json.loads(action.header) == {"update": {**CANDLE_PLACE, "retry_on_conflict": 3}}
    assert json.loads(action.body) == {"doc": msgspec.to_builtins(CANDLE), "doc_as_upsert": True}


def test_rolling_statistics_have_one_document_a_window_and_time() -> None:
    """Every field that the statistics give is declared; the id tells instrument, window, time."""
    rolling = Rolling()
    rolling.add(1_795_392_000_000, 10.0, 1.0, 1)
    about = {"exchange": "bybit", "category": "spot", "symbol": "A", "reference": "BTCUSDT"}
    for row in rolling.statistics(1_795_392_000_500, rolling):
        action = rolling_action({**about, **row})
        place = json.loads(action.header)["index"]
        assert place["_id"] == f"bybit:spot:A:{row['window']}:1795392000500"
        assert set(json.loads(action.body)) <= _known("rolling")
