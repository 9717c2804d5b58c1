"""Starting components in the order of their needs, restarting those that fail, stopping all.

One loop, no threads: `tick` looks at every component once and does what its state asks for.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

from cryptostream.cli import health, process
from cryptostream.cli.component import all_needs
from cryptostream.cli.errors import USAGE_STATUS

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from cryptostream.cli.component import Component, Probe

State = Literal["waiting", "starting", "well", "done", "back-off", "failed", "stopped"]
TICK_SECONDS: Final = 0.2
STOP_SECONDS: Final = 18.0
#: One component's share of it: a hung one must not use up the time of those it needs.
STOP_ONE_SECONDS: Final = 8.0
#: Gives up at the fifth crash within two minutes.
MAX_RESTARTS: Final = 4
RESTART_WINDOW_SECONDS: Final = 120.0
#: How often one that is well is asked for a sign of life, and after how long without any it is
#: taken for hung: longer than any collection of garbage, on a busy machine too.
LISTEN_SECONDS: Final = 5.0
HUNG_SECONDS: Final = 60.0
_FIRST_DELAY_SECONDS: Final = 0.5
_TELL_SECONDS: Final = 10.0


@dataclass(slots=True)
class Unit:
    """A component and what has become of it; times are the supervisor's clock.

    `refused` says that it ended because it can't use what it was given.
    """

    component: Component
    log: Path
    state: State = "waiting"
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    told: float = 0.0
    asked: float = 0.0
    heard: float = 0.0
    crashes: list[float] = field(default_factory=list)
    restarts: int = 0
    last_error: str = ""
    refused: bool = False

    @property
    def pid(self) -> int | None:
        """Give the id of its process, if one runs."""
        return self.process.pid if self.process is not None else None


def restart_delay(crashes: Sequence[float], now: float) -> float | None:
    """Give the seconds to wait before the next start; None if it is time to give up.

    Doubles with each crash of the last `RESTART_WINDOW_SECONDS`, this one included.
    """
    recent = sum(now - crash <= RESTART_WINDOW_SECONDS for crash in crashes)
    if recent > MAX_RESTARTS:
        return None
    return float(_FIRST_DELAY_SECONDS * 2 ** max(0, recent - 1))


class Supervisor:
    """Runs a stack. `changed` is called after each change of a unit's state."""

    def __init__(
        self,
        components: Sequence[Component],
        logs: Path,
        *,
        say: Callable[[str], None],
        changed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
        trouble: Callable[[Probe], str | None] = health.trouble,
        answers: Callable[[Probe], bool] = health.answers,
    ) -> None:
        self.units = {part.name: Unit(part, logs / f"{part.name}.log") for part in components}
        self._needs = all_needs(components)
        self._say = say
        self._changed = changed
        self._clock = clock
        self._trouble = trouble
        self._answers = answers

    @property
    def ready(self) -> bool:
        """Tell whether every service is well and every task done."""
        return all(unit.state in {"well", "done"} for unit in self.units.values())

    @property
    def failed(self) -> list[Unit]:
        """Give the units that won't be started again."""
        return [unit for unit in self.units.values() if unit.state == "failed"]

    def tick(self) -> None:
        """Look at every component once."""
        for unit in self.units.values():
            if unit.process is not None and unit.process.poll() is not None:
                self._ended(unit, unit.process.returncode)
            elif unit.state == "waiting" and self._may_start(unit):
                process.prepare(unit.component)
                self._start(unit)
            elif unit.state == "back-off" and self._clock() >= unit.since:
                self._start(unit)
            elif unit.state == "starting":
                self._look(unit)
            elif unit.state == "well":
                self._listen(unit)

    def _may_start(self, unit: Unit) -> bool:
        needs = (self.units[name] for name in unit.component.needs)
        return all(need.state in {"well", "done"} for need in needs)

    def _start(self, unit: Unit) -> None:
        part = unit.component
        unit.since = unit.told = self._clock()
        self._say(f"{part.name}: {part.note or 'starting'}")
        try:
            unit.process = process.start(part, unit.log)
        except OSError as error:
            self._give_up(unit, f"can't be started: {error}")
            return
        self._set(unit, "starting")

    def _look(self, unit: Unit) -> None:
        """See whether a starting unit is well by now."""
        part, now = unit.component, self._clock()
        amiss = "running" if part.is_task else self._trouble(part.probe)
        if amiss is None:
            self._say(f"{part.name}: well after {now - unit.since:.1f} s")
            unit.heard = unit.asked = now
            self._set(unit, "well")
        elif now - unit.since > part.start_seconds:
            if unit.process is not None:
                process.stop(unit.process, 0.0)
                unit.process = None
            self._give_up(unit, f"was not well within {part.start_seconds:.0f} s: {amiss}")
        elif now - unit.told >= _TELL_SECONDS:
            unit.told = now
            waited = now - unit.since
            self._say(f"{part.name}: waiting for {part.probe.awaited} ({waited:.0f} s)")

    def _listen(self, unit: Unit) -> None:
        """End a process that lives but says nothing any more."""
        now = self._clock()
        if unit.process is None or now - unit.asked < LISTEN_SECONDS:
            return
        unit.asked = now
        if self._answers(unit.component.probe):
            unit.heard = now
        elif now - unit.heard > HUNG_SECONDS:
            process.stop(unit.process, 0.0)
            unit.process = None
            self._crashed(unit, f"said nothing for {now - unit.heard:.0f} s")

    def _ended(self, unit: Unit, status: int) -> None:
        """Take note of a process that has ended: a task is done, anything else has failed."""
        if unit.process is not None:
            process.end_session(unit.process.pid)
        unit.process = None
        part, now = unit.component, self._clock()
        if part.is_task and status == 0:
            self._say(f"{part.name}: done after {now - unit.since:.1f} s")
            self._set(unit, "done")
            return
        unit.refused = status == USAGE_STATUS
        reason = f"ended with status {status}" if status >= 0 else f"killed by signal {-status}"
        self._crashed(unit, reason)

    def _crashed(self, unit: Unit, reason: str) -> None:
        """Decide on a unit that failed: once more, or given up."""
        part, now = unit.component, self._clock()
        unit.crashes.append(now)
        delay = None if part.is_task or unit.refused else restart_delay(unit.crashes, now)
        if delay is None:
            self._give_up(unit, reason)
            return
        unit.restarts += 1
        unit.last_error = reason
        unit.since = now + delay
        self._say(f"{part.name}: {reason}, starts again in {delay:.1f} s")
        self._set(unit, "back-off")

    def _give_up(self, unit: Unit, reason: str) -> None:
        unit.last_error = reason
        self._say(f"{unit.component.name}: failed: {reason}")
        self._set(unit, "failed")

    def _set(self, unit: Unit, state: State) -> None:
        unit.state = state
        self._changed()

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """Stop everything within `STOP_SECONDS`: first what others don't need.

        `hurry` is asked again and again; once it says yes, what is left is killed.
        """
        deadline = self._clock() + STOP_SECONDS
        asked: dict[str, float] = {}
        while running := [unit for unit in self.units.values() if unit.process is not None]:
            now = self._clock()
            for unit in running:
                self._stop_one(unit, running, asked, kill=now > deadline or hurry())
            time.sleep(TICK_SECONDS / 4)
        for unit in self.units.values():
            if unit.state != "failed":
                unit.state = "stopped"
        self._changed()

    def _stop_one(
        self, unit: Unit, running: list[Unit], asked: dict[str, float], *, kill: bool
    ) -> None:
        name, child, now = unit.component.name, unit.process, self._clock()
        if child is None:
            return
        if child.poll() is not None:
            process.end_session(child.pid)
            unit.process = None
        elif kill or now - asked.get(name, now) > STOP_ONE_SECONDS:
            self._say(f"{name}: killed, as it did not stop")
            process.stop(child, 0.0)
            unit.process = None
        elif name not in asked and not any(
            name in self._needs[other.component.name] for other in running
        ):
            self._say(f"{name}: stopping")
            asked[name] = now
            process.ask_to_stop(child.pid)
