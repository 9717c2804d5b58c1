"""How far Spark is with an action, told while it runs."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark import SparkContext

    Tell = Callable[[dict[str, Any]], None]

POLL_SECONDS: Final = 0.5


@contextmanager
def told(context: SparkContext, phase: str, tell: Tell) -> Iterator[None]:
    """Tell tasks done and tasks in all of the actions inside, each time these change."""
    over = Event()
    context.setJobGroup(phase, phase)
    teller = Thread(target=_follow, args=(context, phase, tell, over), daemon=True)
    tell({"phase": phase, "done": 0, "total": 0})
    teller.start()
    try:
        yield
    finally:
        over.set()
        teller.join()
    total = _tasks(context, phase)[1]
    tell({"phase": phase, "done": total, "total": total})


def _follow(context: SparkContext, phase: str, tell: Tell, over: Event) -> None:
    last = (0, 0)
    while not over.wait(POLL_SECONDS):
        now = _tasks(context, phase)
        if now != last:
            tell({"phase": phase, "done": now[0], "total": now[1]})
            last = now


def _tasks(context: SparkContext, phase: str) -> tuple[int, int]:
    """Count the tasks of a phase's stages: (completed, all)."""
    tracker = context.statusTracker()
    jobs = [tracker.getJobInfo(job) for job in tracker.getJobIdsForGroup(phase)]
    stages = [tracker.getStageInfo(stage) for job in jobs if job for stage in job.stageIds]
    known = [stage for stage in stages if stage]
    return sum(one.numCompletedTasks for one in known), sum(one.numTasks for one in known)
