"""The stream's memory and all that it makes of trades, in one pass. Pure.

Records in, documents out; the time of trades and of Kafka are the only clocks. The same records in
the same steps give the same output to the last bit, which is what a restart rests on (`journal`).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from zlib import crc32

from cryptostream.contracts.features import State, initial_state, is_warm, step
from cryptostream.contracts.messages import INTERVAL_MS, Candle, Interval
from cryptostream.stream.bars import Fill
from cryptostream.stream.candlesticks import SECOND, Candles, Instrument, Late
from cryptostream.stream.clock import Clock
from cryptostream.stream.indicators import Indicators
from cryptostream.stream.rolling import Rolling
from cryptostream.stream.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from cryptostream.contracts.messages import Alert
    from cryptostream.stream.records import Record
    from cryptostream.stream.rules import Rules

BUY: Final = "buy"
#: Candles longer than a minute change less in a second than anyone sees.
_SLOWER: Final[frozenset[Interval]] = frozenset({"5m", "15m", "1h"})
SLOWER_FACTOR: Final = 5
#: How often a symbol's rolling statistics are given, in event time.
ROLLING_MS: Final = 60_000
#: The symbol of the same exchange and category that returns are correlated with.
REFERENCE: Final = "BTCUSDT"
#: A vector of `contracts.features` and whether it is warm; None for a block trade.
Features = tuple[list[float], bool] | None


class CandleUpdate(NamedTuple):
    """A candle to write, with the indicators as of its close, or as if it closed now.

    Attributes:
        indicators: by name; those that still warm up are left out. None for a final candle that
            a late trade corrected: its indicators stay as they were written.
        warm: whether all indicators are there.
    """

    candle: Candle
    indicators: dict[str, float] | None
    warm: bool


@dataclass(slots=True)
class Step:
    """What a step gives."""

    candles: list[CandleUpdate] = field(default_factory=list)
    rolling: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    late: Counter[Late] = field(default_factory=Counter)


@dataclass(slots=True)
class Symbol:
    """All that is known of one symbol."""

    key: Instrument
    clock: Clock
    features: State
    candles: Candles
    indicators: dict[Interval, Indicators]
    rolling: Rolling
    #: Event time from which on the rolling statistics are given next, epoch milliseconds.
    rolling_due: int = 0


class Engine:
    """The state of every symbol.

    A step is two calls, because predictions are made of the features in between: `features`,
    then `advance` with the same records.
    """

    def __init__(
        self, rules: Rules, *, lateness_ms: int, update_ms: int, forgetful: bool = False
    ) -> None:
        """Begin empty.

        Args:
            rules: what alerts are raised for.
            lateness_ms: how long after its end a candle waits for trades, in event time.
            update_ms: open candles of 1s and 1m are given at most this often, in Kafka's time;
                longer ones `SLOWER_FACTOR` times as seldom.
            forgetful: trades came before those that this engine will see, so a candle that began
                before its first trade is not given: it would overwrite a better one.
        """
        self._lateness_ms = lateness_ms
        self._update_ms: dict[Interval, int] = {
            name: update_ms * (SLOWER_FACTOR if name in _SLOWER else 1) for name in INTERVAL_MS
        }
        self._forgetful = forgetful
        #: The newest Kafka time, epoch milliseconds.
        self.now_ms = 0
        self.clocks: dict[tuple[str, str], Clock] = {}
        self.symbols: dict[Instrument, Symbol] = {}
        self.rules = rules
        self.watch = Watch(rules)
        self._pending: dict[Instrument, Symbol] = {}

    def features(self, records: Iterable[Record]) -> list[Features]:
        """Take trades in order; give each one's features.

        Block trades are negotiated off the book: they say nothing about its next move.
        """
        vectors: list[Features] = []
        for symbol, group in self._by_symbol(records):
            vectors += [
                None if one.trade.block_trade else _vector(symbol.features, one) for one in group
            ]
        return vectors

    def advance(self, records: Sequence[Record], p_up: Sequence[float | None], now_ms: int) -> Step:
        """Take the same trades into everything else.

        Args:
            records: trades in order.
            p_up: the prediction of each, None where there is none.
            now_ms: the newest Kafka time of the batch.
        """
        self.now_ms = now_ms = max(self.now_ms, now_ms)
        found = Step()
        for record, score in zip(records, p_up, strict=True):
            self.watch.trade(record, score)
        corrected = self._take(records, found)
        self._advance_clocks()
        # Before the watermark moves: a batch that spans minutes moves it past what it corrected.
        for symbol in corrected:
            for correction in symbol.candles.corrections():
                if correction.start >= symbol.clock.complete_from:
                    found.candles.append(CandleUpdate(correction, None, warm=False))
        for symbol in self.symbols.values():
            for final in symbol.candles.close(symbol.clock.watermark):
                self._give(symbol, final, found)
        for symbol in self._pending.values():
            for change in symbol.candles.open_changes(now_ms, self._update_ms):
                self._give(symbol, change, found)
        self._pending = {key: one for key, one in self._pending.items() if one.candles.is_pending}
        found.rolling = [row for one in self.symbols.values() for row in self._statistics(one)]
        found.alerts = self.watch.due(now_ms)
        return found

    def _advance_clocks(self) -> None:
        for clock in self.clocks.values():
            if self._forgetful and clock.partitions and not clock.watermark:
                clock.begin_late()
            clock.advance(self._lateness_ms)

    def _statistics(self, symbol: Symbol) -> list[dict[str, Any]]:
        """Give the symbol's rolling documents, if they are due.

        Symbols have their turns spread over the minute, so that no batch has to give them all.
        """
        now_ms = symbol.clock.newest
        if now_ms < symbol.rolling_due or not symbol.clock.watermark:
            return []
        phase = crc32(":".join(symbol.key).encode()) % ROLLING_MS
        symbol.rolling_due = now_ms - (now_ms - phase) % ROLLING_MS + ROLLING_MS
        exchange, category, name = symbol.key
        reference = self.symbols.get((exchange, category, REFERENCE))
        about = {"exchange": exchange, "category": category, "symbol": name}
        if reference is not None:
            about["reference"] = REFERENCE
        other = None if reference is None else reference.rolling
        return [about | row for row in symbol.rolling.statistics(now_ms, other)]

    def _take(self, records: Iterable[Record], found: Step) -> list[Symbol]:
        """Fold trades into their seconds; give the symbols that had late ones."""
        corrected = []
        for symbol, group in self._by_symbol(records):
            fills = [_fill(one) for one in group if not one.trade.block_trade]
            if not fills:
                continue
            last = group[-1]
            symbol.clock.see(last.partition, fills[0].time, fills[-1].time, last.kafka_time)
            self._pending[symbol.key] = symbol
            rolling = symbol.rolling
            for time_ms, _, price, size, bought in fills:
                rolling.add(time_ms, price, size, 1 if bought else -1)
            late = [outcome for one in fills if (outcome := symbol.candles.add(one)) is not None]
            if late:
                corrected.append(symbol)
                found.late.update(late)
        return corrected

    def waiting(self) -> list[CandleUpdate]:
        """Give the open candles that changed and were held back; changes nothing.

        For when no more trades come, whose time would bring them out.
        """
        found = Step()
        for symbol in self._pending.values():
            for candle in symbol.candles.waiting():
                self._give(symbol, candle, found)
        return found.candles

    def add_symbol(self, known: Symbol) -> None:
        """Take a symbol in, as it was."""
        self.symbols[known.key] = known
        if known.candles.is_pending:
            self._pending[known.key] = known

    def _by_symbol(self, records: Iterable[Record]) -> Iterator[tuple[Symbol, list[Record]]]:
        for key, group in groupby(records, key=_instrument):
            symbol = self.symbols.get(key)
            if symbol is None:
                symbol = self.symbols[key] = new_symbol(key, self.clocks)
            yield symbol, list(group)

    def _give(self, symbol: Symbol, candle: Candle, found: Step) -> None:
        """Give a candle with its indicators, which a final one moves on.

        An open second is rewritten within three: nobody reads indicators off it.
        """
        if candle.start < symbol.clock.complete_from:
            return
        if candle.interval == SECOND and not candle.final:
            found.candles.append(CandleUpdate(candle, {}, warm=False))
            return
        indicators = symbol.indicators[candle.interval]
        values, warm = indicators.values(candle)
        if candle.final:
            indicators.update(candle)
            self.watch.candle(candle, values)
        found.candles.append(CandleUpdate(candle, values, warm))


def new_symbol(key: Instrument, clocks: dict[tuple[str, str], Clock]) -> Symbol:
    """Begin a symbol; the clock it shares with its exchange's others is made if it is the first."""
    clock = clocks.setdefault(key[:2], Clock())
    indicators = {name: Indicators() for name in INTERVAL_MS}
    return Symbol(key, clock, initial_state(), Candles(key), indicators, Rolling())


def _instrument(record: Record) -> Instrument:
    trade = record.trade
    return trade.exchange, trade.category, trade.symbol


def _vector(state: State, record: Record) -> tuple[list[float], bool]:
    trade = record.trade
    side = 1 if trade.side == BUY else -1
    return step(state, trade.trade_time, record.price, record.size, side), is_warm(state)


def _fill(record: Record) -> Fill:
    trade = record.trade
    return Fill(trade.trade_time, trade.seq, record.price, record.size, trade.side == BUY)
