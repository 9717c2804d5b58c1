"""What a component takes: the proportional set size of its process tree, and its CPU time.

Processes that share pages share their cost; where the system has no such figure the resident
size stands in, which counts shared pages for each of them.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from collections.abc import Callable

_MB: Final = 1_000_000
_HOUR_SECONDS: Final = 3600.0
#: JVMs compile, pools and caches fill: for so long growth says nothing.
SETTLE_SECONDS: Final = 300.0
#: A shorter time tells noise.
GROWTH_SECONDS: Final = 600.0


def tree_mb(pid: int) -> float:
    """Measure the tree below and with `pid`, in megabytes; 0 if it is gone."""
    try:
        leader = psutil.Process(pid)
        tree = [leader, *leader.children(recursive=True)]
    except psutil.Error:
        return 0.0
    return sum(_bytes(one) for one in tree) / _MB


def tree_cpu_seconds(pid: int) -> float:
    """Sum the CPU time of the tree below and with `pid`, ended children included; 0 if gone."""
    try:
        leader = psutil.Process(pid)
        times = [one.cpu_times() for one in (leader, *leader.children(recursive=True))]
    except psutil.Error:
        return 0.0
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def _bytes(one: psutil.Process) -> int:
    try:
        full = one.memory_full_info()
        return int(getattr(full, "pss", 0) or full.rss)
    except psutil.AccessDenied:
        return int(one.memory_info().rss)
    except psutil.Error:
        return 0


class Trend:
    """The slope of a line through points, by least squares, kept as five sums."""

    def __init__(self) -> None:
        self._count = 0
        self._x = self._y = self._xx = self._xy = 0.0

    def add(self, x: float, y: float) -> None:
        """Take in a point; an `x` that starts near 0 keeps the digits."""
        self._count += 1
        self._x += x
        self._y += y
        self._xx += x * x
        self._xy += x * y

    @property
    def slope(self) -> float | None:
        """Give the growth of y for each x; None before there are two different x."""
        spread = self._count * self._xx - self._x * self._x
        if spread <= 0:
            return None
        return (self._count * self._xy - self._x * self._y) / spread


class Memory:
    """What each component takes: the largest seen, the whole at one moment, and the growth."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.each: dict[str, float] = {}
        self.total = 0.0
        self._clock = clock
        self._trends: dict[str, Trend] = {}
        self._since: float | None = None

    def sample(self, pids: dict[str, int]) -> dict[str, float]:
        """Measure now and give it, in megabytes; `pids` names the leaders by component."""
        now = {name: tree_mb(pid) for name, pid in pids.items()}
        for name, size in now.items():
            self.each[name] = max(size, self.each.get(name, 0.0))
        self.total = max(self.total, sum(now.values()))
        self._follow({**now, "total": sum(now.values())})
        return now

    def settle(self) -> None:
        """Count growth from `SETTLE_SECONDS` after now: a start and cold code always grow."""
        self._trends.clear()
        self._since = self._clock() + SETTLE_SECONDS

    def _follow(self, sizes: dict[str, float]) -> None:
        if self._since is None or (lasted := self._clock() - self._since) < 0:
            return
        for name, size in sizes.items():
            self._trends.setdefault(name, Trend()).add(lasted / _HOUR_SECONDS, size)

    def growth(self) -> dict[str, float]:
        """Give megabytes an hour of each component and in all; nothing after a short run."""
        lasted = 0.0 if self._since is None else self._clock() - self._since
        if lasted < GROWTH_SECONDS:
            return {}
        slopes = {name: trend.slope for name, trend in self._trends.items()}
        return {name: round(slope, 1) for name, slope in slopes.items() if slope is not None}

    def as_json(self) -> dict[str, int]:
        """Render the peaks in whole megabytes."""
        return {
            **{name: round(size) for name, size in self.each.items()},
            "total": round(self.total),
        }
