"""What the board reads and shows: the wire shapes of documents and of pushed events."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from cryptostream.board.instruments import HOME
from cryptostream.contracts.messages import INTERVAL_MS, Interval

ChartInterval = Interval
SECONDS: Final[dict[ChartInterval, int]] = {
    name: length // 1_000 for name, length in INTERVAL_MS.items()
}
#: The indicators that the chart can draw.
DRAWN: Final = (
    "bb_upper", "bb_middle", "bb_lower", "ema_9", "ema_21", "ema_50", "vwap",
    "rsi_14", "macd", "macd_signal", "macd_histogram",
)  # fmt: skip
#: The hops of a trade's way, each from the clock before to its own.
HOPS: Final = ("exchange", "ingest", "kafka", "stream", "searchable")


class Prediction(msgspec.Struct, frozen=True, gc=False):
    """What the model said of a trade, or the reason why it said nothing."""

    direction: str | None = None
    p_up: float | None = None
    model: str | None = None
    no_edge: bool | None = None
    reason: str | None = None


class TradeDocument(msgspec.Struct, frozen=True, gc=False):
    """A trade as Elasticsearch holds it. Times are epoch milliseconds, UTC."""

    symbol: str
    trade_id: str
    price: float
    size: float
    side: Literal["buy", "sell"]
    trade_time: int
    exchange_time: int | None = None
    ingest_time: int | None = None
    kafka_time: int | None = None
    stream_time: int | None = None
    prediction: Prediction | None = None
    exchange: str = HOME[0]
    category: str = HOME[1]

    @property
    def key(self) -> str:
        """Give the instrument's key."""
        return f"{self.exchange}:{self.category}:{self.symbol}"


class CandleDocument(msgspec.Struct, frozen=True, gc=False):
    """A candle as Elasticsearch holds it; `start` is epoch milliseconds, UTC."""

    symbol: str
    interval: str
    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    trades: int = 0
    buy_volume: float = 0.0
    sell_volume: float = 0.0
    indicators: dict[str, float | None] | None = None
    exchange: str = HOME[0]
    category: str = HOME[1]

    @property
    def key(self) -> str:
        """Give the instrument's key."""
        return f"{self.exchange}:{self.category}:{self.symbol}"


class AlertDocument(msgspec.Struct, frozen=True):
    """An alert as Elasticsearch holds it and the page shows it; `time` is epoch milliseconds."""

    alert_id: str
    rule: str
    severity: str
    symbol: str
    time: int
    value: float
    baseline: float
    threshold: float
    message: str
    evidence: dict[str, float] = {}
    exchange: str = HOME[0]
    category: str = HOME[1]


class SymbolSummary(msgspec.Struct, frozen=True, gc=False):
    """An instrument's last price and what it changed by since `since`, the day's first candle."""

    symbol: str
    last: float
    first: float
    since: int
    exchange: str = HOME[0]
    category: str = HOME[1]

    @property
    def key(self) -> str:
        """Give the instrument's key."""
        return f"{self.exchange}:{self.category}:{self.symbol}"

    @property
    def change(self) -> float:
        """Give the relative change, 0.01 for one percent."""
        return self.last / self.first - 1.0 if self.first else 0.0


class TapeRow(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One line of the tape as the page gets it; `time` is the match time, epoch milliseconds."""

    id: str
    time: int
    price: float
    size: float
    side: str
    direction: str | None = None
    p_up: float | None = None
    reason: str | None = None


class CandleRow(msgspec.Struct, frozen=True, gc=False):
    """One candle as the page gets it; `time` is its start in epoch seconds.

    `more` holds the indicators of `DRAWN` that the candle has.
    """

    interval: str
    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    buy: float
    sell: float
    trades: int
    more: dict[str, float] = {}


def tape_row(trade: TradeDocument) -> TapeRow:
    """Cut a trade down to its line of the tape."""
    said = trade.prediction or Prediction(reason="not_predicted")
    return TapeRow(
        id=trade.trade_id,
        time=trade.trade_time,
        price=trade.price,
        size=trade.size,
        side=trade.side,
        direction=said.direction,
        p_up=said.p_up,
        reason=said.reason,
    )


def candle_row(candle: CandleDocument) -> CandleRow:
    """Cut a candle down to what the chart draws."""
    return CandleRow(
        interval=candle.interval,
        time=candle.start // 1000,
        open=candle.open,
        high=candle.high,
        low=candle.low,
        close=candle.close,
        volume=candle.volume,
        buy=candle.buy_volume,
        sell=candle.sell_volume,
        trades=candle.trades,
        more={
            name: value
            for name, value in (candle.indicators or {}).items()
            if value is not None and name in DRAWN
        },
    )
