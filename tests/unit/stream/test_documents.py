"""Documents: their ids, their index, and fields that the strict templates know."""

from __future__ import annotations

import json
from typing import Any

from support.trades import a_record

from cryptostream.contracts.features import FEATURE_COUNT, FEATURES_HASH
from cryptostream.contracts.indices import index_templates
from cryptostream.stream.documents import candle_action, trade_action
from cryptostream.stream.predictor import BLOCK_TRADE, Prediction

CANDLE: dict[str, Any] = {
    "exchange": "bybit", "category": "spot", "symbol": "BTCUSDT", "interval": "1m",
    "start": 1_795_392_000_000, "open": 1.0, "high": 4.0, "low": 0.5, "close": 2.0,
    "volume": 10.0, "turnover": 25.0, "trades": 3, "buy_volume": 4.0, "sell_volume": 6.0,
}  # fmt: skip


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
    """A candle is indexed whole under its interval and start, with VWAP = turnover / volume."""
    action = candle_action(CANDLE)
    assert json.loads(action.header) == {
        "index": {
            "_index": "crypto-candles-2026.11.23",
            "_id": "bybit:spot:BTCUSDT:1m:1795392000000",
        }
    }
    body = json.loads(action.body)
    assert body["vwap"] == 2.5
    assert set(body) <= _known("candles")
