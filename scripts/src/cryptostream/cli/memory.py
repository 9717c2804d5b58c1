"""What a component takes: the proportional set size of its process tree, and its CPU time.

Processes that share pages share their cost; where the system has no such figure the resident
size stands in, which counts shared pages for each of them.
"""

from __future__ import annotations

from typing import Final

import psutil

_MB: Final = 1_000_000


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


class Peaks:
    """The largest seen of each component, and of the whole at one moment."""

    def __init__(self) -> None:
        self.each: dict[str, float] = {}
        self.total = 0.0

    def sample(self, pids: dict[str, int]) -> dict[str, float]:
        """Measure now and give it, in megabytes; `pids` names the leaders by component."""
        now = {name: tree_mb(pid) for name, pid in pids.items()}
        for name, size in now.items():
            self.each[name] = max(size, self.each.get(name, 0.0))
        self.total = max(self.total, sum(now.values()))
        return now

    def as_json(self) -> dict[str, int]:
        """Render the peaks in whole megabytes."""
        return {
            **{name: round(size) for name, size in self.each.items()},
            "total": round(self.total),
        }
