"""The faults that act now: who is struck, how often still, and until when.

Pure but for the hub whose connections it touches: the time is an argument, epoch milliseconds.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from cryptostream.simulator.faults import INSTANT, Fault, Kind, Step
from cryptostream.simulator.frames import CLOSE_RESTART

if TYPE_CHECKING:
    from cryptostream.simulator.hub import Hub, Subscriber

#: Close code that stands for no close frame at all (RFC 6455, 7.1.5).
NO_CLOSE_FRAME: Final = 1006
MAINTENANCE_STATUS: Final = 503
_TAMPERING: Final[tuple[Kind, ...]] = ("duplicate", "reorder", "late", "malformed")


@dataclass(slots=True)
class Active:
    """A fault at work: its number, when it ends, how often it still strikes, whom it struck."""

    number: int
    fault: Fault
    ends_ms: int | None
    left: int | None
    struck: list[Subscriber] = field(default_factory=list)


class Turmoil:
    """All faults at work.

    Attributes:
        tampering: some fault changes frames on their way.
        silencing: some fault keeps symbols silent.
        skew_ms: how far the exchange's clock is off.
    """

    def __init__(self, hub: Hub, seed: int, script: list[Step] | None = None) -> None:
        self._hub = hub
        self._random = random.Random(seed)  # noqa: S311 - chance, no secret
        self._script = list(script or ())
        self._script_start_ms: int | None = None
        self._active: list[Active] = []
        self._begun = 0
        self.tampering, self.silencing, self.skew_ms = False, False, 0

    def begin(self, fault: Fault, now_ms: int) -> int:
        """Let a fault act, except for `sweep`, which the player makes; give its number."""
        self._begun += 1
        ends_ms = None if fault.seconds is None else now_ms + int(fault.seconds * 1000)
        active = Active(self._begun, fault, ends_ms, fault.count)
        self._hub.flush()
        if fault.kind in {"close", "reset", "half_open", "stall", "maintenance"}:
            for subscriber in self._hub.connected():
                self._strike(active, subscriber)
        if fault.kind not in INSTANT and not _is_spent_at_once(active):
            self._active.append(active)
        self._look()
        return active.number

    def scripted(self, now_ms: int) -> list[Fault]:
        """Give the script's faults that are due; its clock starts with the first call."""
        if self._script_start_ms is None:
            self._script_start_ms = now_ms
        due: list[Fault] = []
        while self._script and self._script_start_ms + self._script[0].at * 1000 <= now_ms:
            due.append(self._script.pop(0).fault)
        return due

    def expire(self, now_ms: int) -> None:
        """End the faults whose time is over."""
        over = [a for a in self._active if a.ends_ms is not None and a.ends_ms <= now_ms]
        if over:
            self._end(over)

    def end(self) -> int:
        """End all faults; tell how many."""
        ended = list(self._active)
        self._end(ended)
        return len(ended)

    def describe(self, now_ms: int) -> list[dict[str, Any]]:
        """Describe the faults at work."""
        return [
            {
                "id": active.number,
                "kind": active.fault.kind,
                "symbols": active.fault.symbols,
                "left": active.left,
                "seconds_left": None
                if active.ends_ms is None
                else (active.ends_ms - now_ms) / 1000,
                "connections": [s.session.conn_id for s in active.struck if s.alive],
            }
            for active in self._active
        ]

    def take(self, kind: Kind, symbols: tuple[str, ...] = (), conn_id: str = "") -> Fault | None:
        """Give a fault of the kind that strikes the case at hand, and count it; else None."""
        for active in self._active:
            fault = active.fault
            if fault.kind != kind or active.left == 0:
                continue
            if fault.symbols and not any(symbol in fault.symbols for symbol in symbols):
                continue
            if fault.connections and conn_id not in fault.connections:
                continue
            if self._chance(fault):
                self._count(active)
                return fault
        return None

    def silent(self, symbol: str) -> bool:
        """Tell whether the symbol's trades stay unsent."""
        return self.silencing and self.take("silent", (symbol,)) is not None

    def upgrade_status(self) -> int | None:
        """Give the HTTP status that refuses a new connection, or None to let it in."""
        if self.take("maintenance"):
            return MAINTENANCE_STATUS
        fault = self.take("refuse_upgrade")
        return None if fault is None else fault.status

    def greet(self, subscriber: Subscriber) -> None:
        """Strike a new connection with the faults that wait for new ones."""
        for active in self._active:
            if active.fault.kind == "stall" and not active.fault.connections:
                self._strike(active, subscriber)

    def forget(self, subscriber: Subscriber) -> None:
        """Drop a connection that has ended."""
        for active in self._active:
            if subscriber in active.struck:
                active.struck.remove(subscriber)

    def _strike(self, active: Active, subscriber: Subscriber) -> None:
        fault = active.fault
        if active.left == 0 or not _meant(fault, subscriber) or not self._chance(fault):
            return
        self._count(active)
        active.struck.append(subscriber)
        if fault.kind == "close":
            subscriber.close(None if fault.code == NO_CLOSE_FRAME else fault.code)
        elif fault.kind == "maintenance":
            subscriber.close(CLOSE_RESTART)
        elif fault.kind == "reset":
            subscriber.reset()
        elif fault.kind == "half_open":
            subscriber.freeze()
        else:
            subscriber.stalled += 1

    def _end(self, ended: list[Active]) -> None:
        for active in ended:
            self._active.remove(active)
            for subscriber in active.struck:
                if active.fault.kind == "half_open":
                    subscriber.reset()
                elif active.fault.kind == "stall":
                    subscriber.stalled -= 1
        self._look()

    def _look(self) -> None:
        kinds = {active.fault.kind for active in self._active}
        self.tampering = not kinds.isdisjoint(_TAMPERING)
        self.silencing = "silent" in kinds
        self.skew_ms = sum(a.fault.offset_ms for a in self._active if a.fault.kind == "clock_skew")

    def _chance(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._random.random() < fault.probability

    def _count(self, active: Active) -> None:
        """Count one strike; a fault without strikes left, and without victims, is over."""
        if active.left is None:
            return
        active.left -= 1
        if not active.left and not active.struck and active in self._active:
            self._end([active])


def _is_spent_at_once(active: Active) -> bool:
    """Tell whether a fault that strikes the connections at hand found none to keep."""
    return active.fault.kind == "half_open" and not active.struck


def _meant(fault: Fault, subscriber: Subscriber) -> bool:
    if fault.connections and subscriber.session.conn_id not in fault.connections:
        return False
    return not fault.symbols or not subscriber.symbols.isdisjoint(fault.symbols)
