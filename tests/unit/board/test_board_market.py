"""What the board knows and renders."""

from __future__ import annotations

from typing import Any

import msgspec

from cryptostream.board.market import MAX_TICK_TRADES, Lag, Market
from cryptostream.board.model import CandleDocument, Prediction, SymbolSummary, TradeDocument

NOW = 1_795_305_600_000
KEY = "bybit:spot:BTCUSDT"


def trade(number: int, time_ms: int = NOW, **changes: Any) -> TradeDocument:
    """Make a trade."""
    made = {
        "symbol": "BTCUSDT", "trade_id": str(number), "price": 100.0 + number, "size": 2.0,
        "side": "buy", "trade_time": time_ms,
    }  # fmt: skip
    return TradeDocument(**(made | changes))


def candle(close: float, **changes: Any) -> CandleDocument:
    """Make a candle."""
    made = {
        "symbol": "BTCUSDT", "interval": "1m", "start": NOW, "open": 1.0, "high": 9.0, "low": 1.0,
        "close": close, "volume": 3.0, "trades": 2, "buy_volume": 1.0, "sell_volume": 2.0,
    }  # fmt: skip
    return CandleDocument(**(made | changes))


def read(rendered: bytes) -> dict[str, Any]:
    """Read a rendered event."""
    content: dict[str, Any] = msgspec.json.decode(rendered)
    return content


def test_a_tick_has_what_is_new_and_the_pressure() -> None:
    """Trades and the newest state of each candle, once; pressure always."""
    market = Market(NOW)
    said = Prediction(direction="up", p_up=0.5625, model="m:1", no_edge=True)
    market.add_trades([trade(1, prediction=said), trade(2)], NOW, live=True)
    market.add_candles([candle(2.0), candle(3.0), candle(4.0, interval="7m")])
    tick = read(market.tick(KEY, NOW))
    assert [one["id"] for one in tick["trades"]] == ["1", "2"]
    assert tick["trades"][0]["p_up"] == 0.5625
    assert tick["trades"][1]["reason"] == "not_predicted"
    assert [(one["time"], one["close"]) for one in tick["candles"]] == [(NOW // 1000, 3.0)]
    assert tick["pressure"]["10"] == {"buy": 4.0, "sell": 0.0}
    assert market.changed() == {KEY}
    market.clear_news()
    again = read(market.tick(KEY, NOW))
    assert (again["trades"], again["candles"], again["last"]) == ([], [], 102.0)
    assert market.changed() == set()


def test_a_tick_is_bounded() -> None:
    """A burst keeps the newest trades only."""
    market = Market(NOW)
    market.add_trades([trade(number) for number in range(1_000)], NOW, live=True)
    trades = read(market.tick(KEY, NOW))["trades"]
    assert len(trades) == MAX_TICK_TRADES
    assert trades[-1]["id"] == "999"


def test_a_late_trade_does_not_set_the_price() -> None:
    """The last price is that of the newest match time."""
    market = Market(NOW)
    market.add_trades([trade(5), trade(1, NOW - 1)], NOW, live=True)
    assert market.prices()[0]["last"] == 105.0


def test_a_pulse_tells_age_rate_lag_and_model() -> None:
    """The page learns how old the newest trade is and whether the model has an edge."""
    market = Market(NOW - 20_000)
    assert read(market.pulse(NOW))["age_ms"] is None
    said = Prediction(direction="up", p_up=0.5, model="m:1", no_edge=True)
    market.add_trades([trade(1, prediction=said)], NOW, live=True)
    market.lag = Lag(records=7, partitions=4)
    pulse = read(market.pulse(NOW + 1_500))
    assert pulse["age_ms"] == 1_500
    assert pulse["rate"] == 0.1
    assert pulse["lag"] == {"records": 7, "partitions": 4}
    assert pulse["hops"] == {"total": {"p50": 0.0, "p95": 0.0}}
    assert pulse["model"] == {"name": "m:1", "no_edge": True, "reason": None}
    assert [one["symbol"] for one in pulse["prices"]] == ["BTCUSDT"]
    assert read(market.pulse(NOW))["prices"] == []


def test_a_pulse_says_why_there_is_no_prediction() -> None:
    """The model's name stays; the reason is shown while no trade is scored."""
    market = Market(NOW)
    market.add_trades([trade(1, prediction=Prediction(model="m:1"))], NOW, live=True)
    market.add_trades([trade(2, prediction=Prediction(reason="predictor_down"))], NOW, live=True)
    model = read(market.pulse(NOW))["model"]
    assert (model["name"], model["reason"]) == ("m:1", "predictor_down")
    mixed = [Prediction(model="m:2", p_up=0.5), Prediction(reason="block_trade")]
    market.add_trades(
        [trade(3 + k, prediction=said) for k, said in enumerate(mixed)], NOW, live=True
    )
    model = read(market.pulse(NOW))["model"]
    assert (model["name"], model["reason"]) == ("m:2", None)


def test_what_was_read_again_is_no_fresh_data() -> None:
    """After a start on old documents the age is theirs, and rate and latency stay empty."""
    market = Market(NOW)
    market.add_trades([trade(1, NOW - 60_000, stream_time=NOW - 59_000)], NOW, live=False)
    pulse = read(market.pulse(NOW))
    assert (pulse["age_ms"], pulse["rate"], pulse["hops"]) == (59_000, 0.0, {})


def test_prices_join_the_day_with_the_newest_trade() -> None:
    """Last price from the tape if there is one, change from the day's first candle."""
    market = Market(NOW)
    market.set_summaries(
        [
            SymbolSummary("BTCUSDT", last=90.0, first=50.5, since=3),
            SymbolSummary("ETHUSDT", last=20.0, first=10.0, since=4),
        ]
    )
    market.add_trades([trade(1)], NOW, live=True)
    assert market.prices() == [
        {"key": KEY, "symbol": "BTCUSDT", "last": 101.0, "change": 1.0, "since": 3},
        {
            "key": "bybit:spot:ETHUSDT",
            "symbol": "ETHUSDT",
            "last": 20.0,
            "change": 1.0,
            "since": 4,
        },
    ]


def test_after_a_jump_the_pressure_begins_again() -> None:
    """Trades that are read twice must not count twice."""
    market = Market(NOW)
    market.add_trades([trade(1)], NOW, live=True)
    market.forget_pressure()
    market.add_trades([trade(1)], NOW, live=False)
    assert read(market.tick(KEY, NOW))["pressure"]["60"]["buy"] == 2.0
