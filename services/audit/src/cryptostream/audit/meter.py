"""The truth meter: each minute, closed minutes of ours against the exchange's."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from cryptostream.audit import metrics
from cryptostream.audit.compare import Result, Tally, compare
from cryptostream.audit.errors import classify
from cryptostream.audit.model import MINUTE_MS, Bar
from cryptostream.audit.rotation import Rotation, Turn
from cryptostream.contracts.errors import Failure

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from threading import Event

    from cryptostream.audit.candles import Candles
    from cryptostream.audit.klines import Exchange
    from cryptostream.audit.settings import AuditSettings

log = logging.getLogger(__name__)

#: After so many failed requests the exchange is left alone until the next round.
MAX_FAILURES: Final = 3
#: Without a good round for so long the meter is not ready.
STALE_MS: Final = 5 * MINUTE_MS

Tallies = dict[int, Tally]


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Meter:
    """Compares the symbols group by group; a group's turn covers all minutes since its last."""

    def __init__(
        self,
        settings: AuditSettings,
        candles: Candles,
        exchange: Exchange,
        *,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._settings = settings
        self._candles = candles
        self._exchange = exchange
        self._clock_ms = clock_ms
        self._rotation = Rotation(settings.per_minute, clock_ms())
        self._last_good = 0

    def is_ready(self) -> bool:
        """Tell whether a round ended well lately."""
        return self._clock_ms() - self._last_good < STALE_MS

    def run(self, stop: Event) -> None:
        """Do a round each minute until `stop`; raises what only a restart can help."""
        while not stop.is_set():
            try:
                self.round(stop)
            except Exception as error:  # classified, not swallowed
                if classify(error) is Failure.FATAL:
                    raise
                metrics.FAILURES.labels("round").inc()
                log.warning("round_failed", extra={"fields": {"why": error}})
            now = self._clock_ms()
            stop.wait((MINUTE_MS - now % MINUTE_MS) / 1000)

    def round(self, stop: Event) -> Tallies:
        """Compare the next group; gives a tally per minute, by the minute's start."""
        now = self._clock_ms()
        closed = now - self._settings.settle_seconds * 1000
        if self._rotation.is_over:
            self._candles.require_template()
            self._rotation.deal(self._choose(now), closed)
        if self._rotation.is_over:
            log.info("no_symbols")
            return {}
        group, turns = self._rotation.take(closed)
        theirs = self._ask(turns, stop)
        tallies = self._compare(theirs)
        for start, tally in tallies.items():
            self._candles.write(start, group, tally, now)
        for turn in theirs:
            self._rotation.done(turn)
        self._tell(tallies, theirs)
        self._last_good = now
        return tallies

    def _choose(self, now: int) -> list[str]:
        """Give the symbols asked for, or else the busiest ones; the quiet ones fill up."""
        if wanted := self._settings.symbol_list:
            return wanted
        there = self._exchange.symbols(self._settings.quote)
        busy = self._candles.busiest(now, self._settings.top)
        known = set(there)
        ranked = dict.fromkeys([*(name for name in busy if name in known), *there])
        return list(ranked)[: self._settings.top]

    def _ask(self, turns: Sequence[Turn], stop: Event) -> dict[Turn, dict[int, Bar]]:
        """Ask the exchange for each turn's minutes, and the one before them."""
        answers: dict[Turn, dict[int, Bar]] = {}
        failures = 0
        for turn in turns:
            if stop.is_set() or failures >= MAX_FAILURES:
                break
            try:
                before = turn.first - MINUTE_MS
                answers[turn] = self._exchange.minutes(turn.symbol, before, turn.end)
            except Exception as error:  # classified, not swallowed
                if classify(error) is Failure.FATAL:
                    raise
                failures += 1
                metrics.FAILURES.labels("exchange").inc()
                fields = {"symbol": turn.symbol, "why": str(error)[:200]}
                log.warning("klines_not_fetched", extra={"fields": fields})
        return answers

    def _compare(self, theirs: dict[Turn, dict[int, Bar]]) -> Tallies:
        if not theirs:
            return {}
        first, end = min(turn.first for turn in theirs), max(turn.end for turn in theirs)
        ours = self._candles.read([turn.symbol for turn in theirs], first, end)
        tallies: defaultdict[int, Tally] = defaultdict(Tally)
        for turn, bars in theirs.items():
            for start in range(turn.first, turn.end, MINUTE_MS):
                before = bars.get(start - MINUTE_MS)
                close = None if before is None else before.close
                verdict = compare(ours.get((turn.symbol, start)), bars.get(start), close)
                tallies[start].add(turn.symbol, verdict)
        return dict(tallies)

    def _tell(self, tallies: Tallies, theirs: dict[Turn, dict[int, Bar]]) -> None:
        results = sum((tally.results for tally in tallies.values()), start=Tally().results)
        for result in Result:
            metrics.MINUTES.labels(result).inc(results[result])
        total = Tally(results)
        if total.share is not None:
            metrics.SHARE.set(total.share)
        for turn in theirs:
            off = [tally.worst[turn.symbol] for tally in tallies.values()
                   if turn.symbol in tally.worst]  # fmt: skip
            worst = max((verdict.divergence for verdict in off), default=0.0)
            metrics.DIVERGENCE.labels(turn.symbol).set(worst)
        metrics.SKIPPED.set(self._rotation.skipped)
        metrics.LAST_ROUND.set_to_current_time()
        counts = {str(result): results[result] for result in Result}
        fields = {"minutes": len(tallies), "symbols": len(theirs), "share": total.share, **counts}
        log.info("round_done", extra={"fields": fields})
