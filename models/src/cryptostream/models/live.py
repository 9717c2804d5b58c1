"""The scoreboard as it runs: each minute reads, settles, scores, looks for drift, writes, warns.

One failure leaves the minute undone and the next one takes it up: trades are read from where the
last good read ended, and documents have ids of their own, so nothing is counted twice.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final, Protocol

from cryptostream.models import live_metrics as metrics
from cryptostream.models import scoreboard
from cryptostream.models.drift import MAX_HISTORY, Adwin, WindowDrift
from cryptostream.models.errors import ScoreboardError
from cryptostream.models.scoreboard_alerts import drift_alert, worse_alert
from cryptostream.models.scoreboard_rows import Outcomes, Pending, merged, newest, thinned

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from threading import Event
    from typing import Any

    import numpy as np

    from cryptostream.contracts.mappings import Kind
    from cryptostream.contracts.messages import Alert
    from cryptostream.models.drift import Finding
    from cryptostream.models.intervals import Estimate
    from cryptostream.models.live_settings import ScoreboardSettings
    from cryptostream.models.scoreboard_rows import Trades

log = logging.getLogger(__name__)

#: A trade is searchable this long after it happened, or it is not scored.
LAG_MS: Final = 15_000
#: Further back than this the scoreboard doesn't catch up: it goes on with the present.
MAX_BEHIND_MS: Final = 10 * 60_000
#: Of two windows together. Scores look at fewer; each minute keeps its even share.
MAX_OUTCOMES: Final = 250_000
SAMPLE_VECTORS: Final = 2_000
MINUTE_MS: Final = 60_000
FEATURES: Final = 22


class Store(Protocol):
    """Where trades are read and documents written; see `scoreboard_search.Stored`."""

    def trades(self, from_ms: int, to_ms: int) -> Trades:
        """Read trades."""

    def vectors(self, from_ms: int, to_ms: int, count: int) -> np.ndarray[Any, Any]:
        """Sample vectors."""

    def past_psi(self, count: int) -> dict[str, list[float]]:
        """Read earlier drift."""

    def write(self, kind: Kind, documents: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Write documents."""


class Scoreboard:
    """Scores what was predicted against what happened; `tick` does one round.

    Args:
        settings: what to score and how often.
        store: of trades and documents.
        send: of alerts.
        wall_ms: the clock, epoch milliseconds.
        rollback: is told the model that is surely worse than the base rate, and why; gives the
            document of the change if there was one.

    Attributes:
        outcomes: the answered orders of two windows, or an even share of them.
        worse: of the model in service, its log loss above the base rate's; None if unknown.
    """

    def __init__(
        self,
        settings: ScoreboardSettings,
        store: Store,
        send: Callable[[Sequence[Alert]], None],
        wall_ms: Callable[[], int],
        rollback: Callable[[str, str], dict[str, Any] | None] = lambda _model, _reason: None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._send = send
        self._wall_ms = wall_ms
        self._rollback = rollback
        self._read_to = wall_ms() - LAG_MS - settings.window_ms
        self._pending = Pending(self._read_to)
        self.outcomes: Outcomes | None = None
        self._adwin = Adwin("log_loss")
        self._drift: WindowDrift | None = None
        self._drift_from = wall_ms() - LAG_MS
        self._ready = False
        self.worse: tuple[str, Estimate] | None = None

    def is_ready(self) -> bool:
        """Tell whether the last round went well."""
        return self._ready

    def run(self, stop: Event) -> None:
        """Do rounds until `stop` is set."""
        while not stop.is_set():
            started = time.monotonic()
            try:
                self.tick()
                self._ready = True
            except ScoreboardError as error:
                self._ready = False
                metrics.FAILURES.inc()
                log.warning("round_failed", extra={"fields": {"error": error}})
            metrics.SECONDS.observe(time.monotonic() - started)
            stop.wait(max(1.0, self._settings.every_seconds - (time.monotonic() - started)))

    def tick(self) -> None:
        """Do one round; raises `ScoreboardError`."""
        now = self._wall_ms()
        findings = self._read(now - LAG_MS) + self._changed(now - LAG_MS)
        minute = now // MINUTE_MS * MINUTE_MS
        self._write_drift(findings, minute)
        alerts = [self._drift_alert(one, now) for one in findings if one.alarm]
        if self.outcomes is not None:
            window_from = now - self._settings.window_ms
            before = self.outcomes.take(self.outcomes.time_ms < window_from)
            outcomes = self.outcomes.take(self.outcomes.time_ms >= window_from)
            self._write_scores(outcomes, minute)
            alerts += self._judged(outcomes, scoreboard.base_rate(before), now)
        if alerts:
            self._send(alerts)

    def _read(self, to_ms: int) -> list[Finding]:
        """Read on, minute by minute; keep two windows of answered orders, find changes of luck."""
        if to_ms - self._read_to > MAX_BEHIND_MS + self._settings.window_ms:
            self._read_to = to_ms - self._settings.window_ms
            self._pending = Pending(self._read_to)
            log.warning("skipped_ahead", extra={"fields": {"to": self._read_to}})
        findings = []
        while self._read_to < to_ms:
            end = min(self._read_to + MINUTE_MS, to_ms)
            trades = self._store.trades(self._read_to, end)
            self._read_to = end
            metrics.TRADES.inc(len(trades))
            fresh = self._pending.add(trades, end)
            if len(fresh):
                self._keep(fresh, to_ms)
                loss = scoreboard.mean_loss(fresh)
                findings += [] if loss is None else [self._adwin.add(loss)]
        return findings

    def _keep(self, fresh: Outcomes, to_ms: int) -> None:
        both_ms = 2 * self._settings.window_ms
        share = thinned(fresh, max(1, MAX_OUTCOMES * MINUTE_MS // both_ms))
        kept = share if self.outcomes is None else merged([self.outcomes, share])
        self.outcomes = newest(kept, to_ms - both_ms, MAX_OUTCOMES)

    def _changed(self, now: int) -> list[Finding]:
        """Compare the features' window with the one before, once it is full."""
        if self._drift is None:
            self._drift = WindowDrift(self._store.past_psi(MAX_HISTORY * FEATURES))
        if now - self._drift_from < self._settings.drift_window_ms:
            return []
        rows = self._store.vectors(self._drift_from, now, SAMPLE_VECTORS)
        self._drift_from = now
        return self._drift.compare(rows)

    def _write_scores(self, outcomes: Outcomes, minute: int) -> None:
        found = scoreboard.lines(outcomes)
        window = self._settings.window
        metrics.show(found)
        self._store.write(
            "scores",
            (
                (f"{one.model}:{one.group}:{one.horizon_ms}:{window}:{minute}",
                 one.document(minute, window))
                for one in found
            ),
        )  # fmt: skip

    def _write_drift(self, findings: Sequence[Finding], minute: int) -> None:
        metrics.show_drift(findings)
        self._store.write(
            "drift",
            (
                (f"{one.detector}:{one.feature}:{minute}",
                 one.document(minute, self._settings.window_of(one.detector)))
                for one in findings
            ),
        )  # fmt: skip

    def _judged(self, outcomes: Outcomes, base_rate: float, now: int) -> list[Alert]:
        """Compare the model in service, whose predictions are the newest, with the base rate.

        The rate is that of the window before: nobody could have known the window's own.
        """
        if not len(outcomes):
            return []
        model = str(outcomes.model[-1])
        excess = scoreboard.excess(outcomes.take(outcomes.model == model), base_rate)
        self.worse = None if excess is None else (model, excess)
        metrics.show_excess(excess)
        if excess is None or not excess.low > 0.0:
            return []
        reason = f"live: {excess.low:.4f} a row or more above the base rate"
        document = self._rollback(model, reason)
        if document is not None:
            log.warning("rolled_back", extra={"fields": document})
            self._store.write("models", [(f"rolled_back:{model}:{now}", document)])
        market = (self._settings.exchange, self._settings.category)
        return [worse_alert(model, excess, base_rate, market, now)]

    def _drift_alert(self, found: Finding, now: int) -> Alert:
        return drift_alert(found, (self._settings.exchange, self._settings.category), now)
