"""Takes events in: to whom each one goes, decided and kept in one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.alerts import metrics
from cryptostream.alerts.policy import Rules, Verdict, decide, wants

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptostream.alerts.chats import Chats
    from cryptostream.alerts.model import Event, Position, Target
    from cryptostream.alerts.outbox import Outbox


class Dispatcher:
    """Decides for every chat there is."""

    def __init__(
        self,
        outbox: Outbox,
        chats: Chats,
        targets: Sequence[Target],
        rules: Rules,
        clock_ms: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._chats = chats
        self._targets = tuple(targets)
        self._rules = rules
        self._clock_ms = clock_ms

    def take(self, event: Event, position: Position | None = None) -> bool:
        """Take an event in; False if it came before. Raises `OutboxFullError`."""
        if self._outbox.knows(event.event_id):
            metrics.REPEATED.inc()
            return False
        now = self._clock_ms()
        verdicts = {
            target: self._verdict(event, target, now)
            for target in self._targets
            if wants(self._chats.subscription(target), event)
        }
        max_age = self._rules.max_age_ms
        self._outbox.accept(event, position, verdicts, now_ms=now, max_age_ms=max_age)
        metrics.EVENTS.labels(event.source).inc()
        for verdict in verdicts.values():
            metrics.DECISIONS.labels(verdict.reason or verdict.kind).inc()
        return True

    def _verdict(self, event: Event, target: Target, now_ms: int) -> Verdict:
        return decide(
            event,
            self._chats.subscription(target),
            self._chats.mutes(target, now_ms),
            self._outbox.history(target, event, now_ms),
            rules=self._rules,
            now_ms=now_ms,
        )
