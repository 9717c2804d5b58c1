"""Bybit's limits on new connections of one address, as a pure ledger of them.

Documented are at most 500 new connections in 5 minutes and 1000 at a time; the reaction isn't.
Here it is that of REST: 403 until 10 minutes have passed.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Final

FORBIDDEN: Final = 403
#: Addresses remembered at most; the one that came longest ago is forgotten first.
MAX_ADDRESSES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Budget:
    """Limits per address; 0 lifts one."""

    new_connections: int = 0
    window_seconds: float = 300.0
    ban_seconds: float = 600.0
    concurrent: int = 0


@dataclass(slots=True)
class _Visitor:
    arrivals: deque[float] = field(default_factory=deque)
    open: int = 0
    banned_until: float = 0.0


class Gate:
    """Lets connections in or not; `now` is a monotonic time in seconds."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        self.refused = 0

    def enter(self, address: str, now: float) -> bool:
        """Let a connection in and count it, or refuse it."""
        visitor = self._visitor(address)
        allowed = self._allowed(visitor, now)
        if allowed:
            visitor.open += 1
        else:
            self.refused += 1
        return allowed

    def leave(self, address: str) -> None:
        """Count a connection that was let in as ended."""
        visitor = self._visitor(address)
        visitor.open = max(0, visitor.open - 1)

    def _allowed(self, visitor: _Visitor, now: float) -> bool:
        budget = self._budget
        if now < visitor.banned_until:
            return False
        if 0 < budget.concurrent <= visitor.open:
            return False
        if not budget.new_connections:
            return True
        while visitor.arrivals and visitor.arrivals[0] <= now - budget.window_seconds:
            visitor.arrivals.popleft()
        if len(visitor.arrivals) >= budget.new_connections:
            visitor.banned_until = now + budget.ban_seconds
            return False
        visitor.arrivals.append(now)
        return True

    def _visitor(self, address: str) -> _Visitor:
        visitor = self._visitors.setdefault(address, _Visitor())
        self._visitors.move_to_end(address)
        if len(self._visitors) > MAX_ADDRESSES:
            self._visitors.popitem(last=False)
        return visitor
