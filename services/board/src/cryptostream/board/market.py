"""Everything the board knows at a moment, and the events it renders from it. Pure."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.board.instruments import read_key, resolve
from cryptostream.board.model import (
    SECONDS,
    CandleDocument,
    CandleRow,
    Prediction,
    SymbolSummary,
    TapeRow,
    TradeDocument,
    candle_row,
    tape_row,
)
from cryptostream.board.queries import MAX_SYMBOLS
from cryptostream.board.windows import Latencies, Pressure, Rate

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: A tick shows at most this many of a symbol's new trades; the page keeps fewer.
MAX_TICK_TRADES: Final = 200
_ENCODER: Final = msgspec.json.Encoder()


class Health(msgspec.Struct):
    """Whether a server that the board reads from answers, and if not, why."""

    ok: bool | None = None
    detail: str = ""


class Lag(msgspec.Struct, frozen=True):
    """How many records the stream has not committed yet, over `partitions`."""

    records: int
    partitions: int


class _Symbol:
    """One symbol's live state; `trades` and `candles` are what the last poll brought."""

    def __init__(self) -> None:
        self.pressure = Pressure()
        self.last = 0.0
        self.last_time = 0
        self.trades: deque[TapeRow] = deque(maxlen=MAX_TICK_TRADES)
        self.candles: dict[tuple[str, int], CandleRow] = {}


class Market:
    """The newest state of all symbols, of the model and of the pipeline."""

    def __init__(self, now_ms: int) -> None:
        self.elasticsearch = Health()
        self.kafka = Health()
        self.lag: Lag | None = None
        self._symbols: dict[str, _Symbol] = {}
        self._summaries: dict[str, SymbolSummary] = {}
        self._latencies = Latencies()
        self._rate = Rate(now_ms)
        self._model: Prediction | None = None
        self._reason: str | None = None
        self._seen_ms: int | None = None
        self._moved: set[str] = set()

    def add_trades(self, trades: Sequence[TradeDocument], now_ms: int, *, live: bool) -> None:
        """Take in new trades; `live` ones count for rate and latency, backfilled ones don't."""
        for trade in trades:
            self._add(trade)
            if live:
                self._latencies.add(trade, now_ms)
        self._hear_model([trade.prediction for trade in trades if trade.prediction])
        if live:
            self._rate.add(len(trades), now_ms)
        if trades:
            newest = max(trade.stream_time or trade.trade_time for trade in trades)
            self._seen_ms = now_ms if live else max(newest, self._seen_ms or 0)

    def _hear_model(self, said: list[Prediction]) -> None:
        """Note the newest model, and a reason only if no trade of the poll was scored."""
        scored = [one for one in said if one.model]
        if scored:
            self._model, self._reason = scored[-1], None
        elif said:
            self._reason = said[-1].reason

    def forget_pressure(self) -> None:
        """Begin the pressure windows again: the poller skipped trades or will read some twice."""
        for state in self._symbols.values():
            state.pressure = Pressure()

    def _add(self, trade: TradeDocument) -> None:
        state = self._symbol(trade.key)
        state.pressure.add(trade.trade_time, trade.size, trade.side)
        state.trades.append(tape_row(trade))
        if trade.trade_time >= state.last_time:
            state.last, state.last_time = trade.price, trade.trade_time
            self._moved.add(trade.key)

    def add_candles(self, candles: Iterable[CandleDocument]) -> None:
        """Take in new states of candles."""
        for candle in candles:
            if candle.interval in SECONDS:
                row = candle_row(candle)
                self._symbol(candle.key).candles[row.interval, row.time] = row

    def _symbol(self, name: str) -> _Symbol:
        if name not in self._symbols and len(self._symbols) >= MAX_SYMBOLS:
            stalest = min(self._symbols, key=lambda one: self._symbols[one].last_time)
            del self._symbols[stalest]
        return self._symbols.setdefault(name, _Symbol())

    def set_summaries(self, summaries: Iterable[SymbolSummary]) -> None:
        """Replace the day's summaries."""
        self._summaries = {one.key: one for one in summaries}

    def resolve(self, name: str) -> str:
        """Give the key of the instrument that a name means."""
        return resolve(name, self._summaries.keys() | self._symbols.keys())

    def prices(self, names: Iterable[str] | None = None) -> list[dict[str, Any]]:
        """Give last price, change and its start of all instruments, or of `names`, by key."""
        known = self._summaries.keys() | self._symbols.keys()
        chosen = known if names is None else known.intersection(names)
        return [self._price(name) for name in sorted(chosen)]

    def _price(self, name: str) -> dict[str, Any]:
        summary = self._summaries.get(name)
        state = self._symbols.get(name)
        last = (state.last if state else 0.0) or (summary.last if summary else 0.0)
        first = summary.first if summary else 0.0
        return {
            "key": name,
            "symbol": read_key(name).symbol,
            "last": last or None,
            "change": last / first - 1.0 if last and first else None,
            "since": summary.since if summary else None,
        }

    def tick(self, name: str, now_ms: int) -> bytes:
        """Render what is new of one symbol."""
        state = self._symbol(name)
        amounts = state.pressure.amounts(now_ms)
        return _ENCODER.encode(
            {
                "key": name,
                "now": now_ms,
                "last": state.last or None,
                "trades": list(state.trades),
                "candles": [state.candles[key] for key in sorted(state.candles)],
                "pressure": {str(seconds): one._asdict() for seconds, one in amounts.items()},
            }
        )

    def pulse(self, now_ms: int) -> bytes:
        """Render the pipeline's state and the prices that moved since the last pulse."""
        moved, self._moved = self._moved, set()
        hops = self._latencies.quantiles(now_ms)
        return _ENCODER.encode(
            {
                "now": now_ms,
                "age_ms": None if self._seen_ms is None else max(0, now_ms - self._seen_ms),
                "elasticsearch": self.elasticsearch,
                "kafka": self.kafka,
                "lag": self.lag,
                "rate": round(self._rate.per_second(now_ms), 1),
                "hops": {name: one._asdict() for name, one in hops.items()},
                "model": self._model_state(),
                "prices": self.prices(moved),
            }
        )

    def _model_state(self) -> dict[str, Any] | None:
        if self._model is None and self._reason is None:
            return None
        return {
            "name": self._model.model if self._model else None,
            "no_edge": self._model.no_edge if self._model else None,
            "reason": self._reason,
        }

    def changed(self) -> set[str]:
        """Name the symbols that the last poll brought something of."""
        return {name for name, one in self._symbols.items() if one.trades or one.candles}

    def clear_news(self) -> None:
        """Begin a new poll: what is new was handed out."""
        for state in self._symbols.values():
            state.trades.clear()
            state.candles.clear()
