"""The candles of one symbol, in five intervals at once. Pure; event time is the only clock.

A trade goes into its second alone. A second is closed when the watermark reaches its end, and then
goes into the longer candles, once. A longer candle that is still open is what its closed seconds
gave plus the open ones, put together when it is asked for.

The rule for late trades. A candle is final when the watermark has reached its end. A trade that
comes for a closed second still counts in every candle that is kept (`KEPT`): open, high, low,
close, volumes and counts are right again, and a final candle counts it in `late`. Volatility
alone goes without it: the trades it came between are forgotten.
"""

from __future__ import annotations

from bisect import insort
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from cryptostream.contracts.messages import INTERVAL_MS, Candle, Interval
from cryptostream.stream.bars import Bar, Fill, bar_of, candle, copy_of, correct, fold, merge

if TYPE_CHECKING:
    from collections.abc import Mapping

SECOND: Final[Interval] = "1s"
SECOND_MS: Final = INTERVAL_MS[SECOND]
LONGER: Final[tuple[tuple[Interval, int], ...]] = tuple(
    (name, length) for name, length in INTERVAL_MS.items() if name != SECOND
)
#: So many lengths of a candle it is kept after its end, for late trades to correct it: two
#: minutes of seconds, half an hour of minutes, the last few of the longer ones.
KEPT: Final[dict[Interval, int]] = {"1s": 120, "1m": 30, "5m": 6, "15m": 2, "1h": 1}
#: Exchange, category and symbol.
Instrument = tuple[str, str, str]
#: `dropped`: its second is no longer kept; longer candles that are take it all the same.
Late = Literal["corrected", "dropped"]
_FAR: Final = 1 << 62


class Second(msgspec.Struct, array_like=True):
    """An open second: its trades in order, and their bar."""

    fills: list[Fill]
    bar: Bar


class CandlesState(msgspec.Struct):
    """All that the candles of a symbol are; a snapshot holds it as it is.

    Attributes:
        watermark: up to here candles are final, epoch milliseconds.
        seconds: open seconds by start.
        bars: closed seconds and longer candles by start.
        open_bars: starts of longer candles that are in `bars` and not final.
        touched: starts of open seconds that changed since the last look at `pending`.
        pending: starts of open candles that changed since they were last given.
        given: when open candles were last given, in the time of `open_changes`.
        corrected: starts of final candles that a late trade changed.
    """

    watermark: int = 0
    seconds: dict[int, Second] = {}
    touched: set[int] = set()
    bars: dict[Interval, dict[int, Bar]] = msgspec.field(default_factory=lambda: _each(dict))
    open_bars: dict[Interval, set[int]] = msgspec.field(default_factory=lambda: _each(set))
    pending: dict[Interval, set[int]] = msgspec.field(default_factory=lambda: _each(set))
    corrected: dict[Interval, set[int]] = msgspec.field(default_factory=lambda: _each(set))
    given: dict[Interval, int] = {}


class Candles:
    """The candles of one symbol."""

    def __init__(self, instrument: Instrument, state: CandlesState | None = None) -> None:
        self._instrument = instrument
        self.state = state if state is not None else CandlesState()
        self._next_end = self._earliest_end()

    def add(self, fill: Fill) -> Late | None:
        """Take a trade in; None if its second is still open, else what became of it."""
        state = self.state
        start = fill.time - fill.time % SECOND_MS
        if start + SECOND_MS <= state.watermark:
            return self._add_late(fill)
        state.touched.add(start)
        second = state.seconds.get(start)
        if second is None:
            second = state.seconds[start] = Second([], Bar())
            self._next_end = min(self._next_end, start + SECOND_MS)
        bar = second.bar
        if (fill.time, fill.seq) >= (bar.last_time, bar.last_seq):
            second.fills.append(fill)
            fold(bar, fill)
        else:
            insort(second.fills, fill, key=_order)
            second.bar = bar_of(second.fills)
        return None

    def _add_late(self, fill: Fill) -> Late:
        late: Late = "dropped"
        for interval, length in INTERVAL_MS.items():
            start = fill.time - fill.time % length
            age = self.state.watermark - (start + length)
            if age >= KEPT[interval] * length:
                continue
            if interval == SECOND:
                late = "corrected"
            if age >= 0:
                bar = self.state.bars[interval].setdefault(start, Bar())
                bar.late += 1
                self.state.corrected[interval].add(start)
            else:
                bar = self._open_bar(interval, start)
                self.state.pending[interval].add(start)
            correct(bar, fill)
        return late

    def close(self, watermark: int) -> list[Candle]:
        """Move the watermark; give the candles that became final, by interval, oldest first."""
        state = self.state
        state.watermark = watermark = max(state.watermark, watermark)
        if watermark < self._next_end:
            return []
        self._spread()
        finals = []
        for start in sorted(state.seconds):
            if start + SECOND_MS <= watermark:
                self._close_second(start)
                finals.append(self._render(SECOND, start))
        for interval, length in LONGER:
            for start in sorted(state.open_bars[interval]):
                if start + length <= watermark:
                    finals.append(self._render(interval, start))
                    state.open_bars[interval].discard(start)
                    state.pending[interval].discard(start)
        self._forget()
        self._next_end = self._earliest_end()
        return finals

    def open_changes(self, now_ms: int, update_ms: Mapping[Interval, int]) -> list[Candle]:
        """Give open candles that changed, of each interval at most every `update_ms` of `now_ms`.

        What is not due yet stays pending.
        """
        self._spread()
        changed = []
        for interval, starts in self.state.pending.items():
            if starts and now_ms - self.state.given.get(interval, 0) >= update_ms[interval]:
                changed += [self._render(interval, start) for start in sorted(starts)]
                self.state.given[interval] = now_ms
                starts.clear()
        return changed

    def waiting(self) -> list[Candle]:
        """Give the open candles that are pending, and leave them pending."""
        self._spread()
        return [
            self._render(interval, start)
            for interval, starts in self.state.pending.items()
            for start in sorted(starts)
        ]

    def corrections(self) -> list[Candle]:
        """Give the final candles that late trades changed since the last call."""
        found = []
        for interval, starts in self.state.corrected.items():
            found += [self._render(interval, start) for start in sorted(starts)]
            starts.clear()
        return found

    @property
    def is_pending(self) -> bool:
        """Whether an open candle changed that was not given yet."""
        return bool(self.state.touched) or any(self.state.pending.values())

    def _close_second(self, start: int) -> None:
        bar = self.state.seconds.pop(start).bar
        self.state.bars[SECOND][start] = bar
        self.state.pending[SECOND].discard(start)
        for interval, length in LONGER:
            merge(self._open_bar(interval, start - start % length), bar)

    def _open_bar(self, interval: Interval, start: int) -> Bar:
        """Find a longer candle that is not final yet, or begin it."""
        bar = self.state.bars[interval].get(start)
        if bar is None:
            bar = self.state.bars[interval][start] = Bar()
            self.state.open_bars[interval].add(start)
            self._next_end = min(self._next_end, start + INTERVAL_MS[interval])
        return bar

    def _render(self, interval: Interval, start: int) -> Candle:
        bar = self.state.bars[interval].get(start)
        end = start + INTERVAL_MS[interval]
        if end > self.state.watermark:
            bar = copy_of(bar) if bar is not None else Bar()
            for second in sorted(self.state.seconds):
                if start <= second < end:
                    merge(bar, self.state.seconds[second].bar)
        assert bar is not None
        return candle(self._instrument, interval, start, bar, self.state.watermark)

    def _spread(self) -> None:
        """Tell every interval which of its candles the touched seconds belong to."""
        for second in self.state.touched:
            for interval, length in INTERVAL_MS.items():
                self.state.pending[interval].add(second - second % length)
        self.state.touched.clear()

    def _forget(self) -> None:
        """Drop what is older than it is kept; bars stand about in the order of their start."""
        for interval, bars in self.state.bars.items():
            length = INTERVAL_MS[interval]
            oldest = self.state.watermark - (KEPT[interval] + 1) * length
            while bars and (start := next(iter(bars))) <= oldest:
                del bars[start]

    def _earliest_end(self) -> int:
        ends = [start + SECOND_MS for start in self.state.seconds]
        for interval, length in LONGER:
            ends += [start + length for start in self.state.open_bars[interval]]
        return min(ends, default=_FAR)


def _order(fill: Fill) -> tuple[int, int]:
    return fill.time, fill.seq


def _each(kind: type[Any]) -> dict[Interval, Any]:
    return {name: kind() for name in INTERVAL_MS}
