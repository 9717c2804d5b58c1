"""One run of the stack, from its first process to its last."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Any, Final

from cryptostream.cli import process, report, state, verify
from cryptostream.cli.errors import CliError
from cryptostream.cli.exposition import MemoryMetrics
from cryptostream.cli.latency import Probe as LatencyProbe
from cryptostream.cli.memory import Memory, tree_cpu_seconds
from cryptostream.cli.setup import client_of, create_topics
from cryptostream.cli.stack import stack, urls
from cryptostream.cli.supervisor import TICK_SECONDS, Supervisor, Unit
from cryptostream.contracts.settings import KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.cli.console import Console
    from cryptostream.cli.plan import Plan
    from cryptostream.cli.report import Report

FILL_SECONDS: Final = 60.0
#: What came while the stack started has to be worked off before a delay means anything.
CATCH_UP_SECONDS: Final = 120.0
MEMORY_SECONDS: Final = 5.0
_FINISHED_SECONDS: Final = 1.0


class StopRequest:
    """Remembers SIGINT and SIGTERM: the first asks for an orderly end, a second for haste."""

    def __init__(self) -> None:
        self.count = 0

    def install(self) -> None:
        """Take the signals from now on."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, _number: int, _frame: object) -> None:
        self.count += 1

    @property
    def asked(self) -> bool:
        """Tell whether the end was asked for."""
        return self.count > 0

    @property
    def hurried(self) -> bool:
        """Tell whether it was asked for more than once."""
        return self.count > 1


class Run:
    """A stack that runs, and the state file that tells of it."""

    def __init__(self, plan: Plan, console: Console, stop: StopRequest) -> None:
        self.plan = plan
        self.console = console
        self._stop = stop
        self._phase = "starting"
        self._memory = Memory()
        self._served: MemoryMetrics | None = None
        self._measured = time.monotonic()
        self.supervisor = Supervisor(
            stack(plan), plan.home / "logs", say=console.say, changed=self._write
        )

    def start(self) -> None:
        """Bring everything up; ends early if a stop was asked for. Raises `CliError`."""
        self._write()
        self._served = MemoryMetrics(self.plan.ports.metrics)
        while not self.supervisor.ready and not self._stop.asked:
            self._tick()
        deadline = time.monotonic() + FILL_SECONDS
        self.console.say("page: waiting for its first trades and candles")
        while not self._stop.asked and not report.is_filled(self.plan.search_url):
            self._tick()
            if time.monotonic() > deadline:
                self.console.say(f"page: no trade within {FILL_SECONDS:.0f} s, see `status`")
                break
        self._phase = "running"
        self._write()

    def watch(
        self, seconds: float | None = None, *, until: Callable[[], bool] = lambda: False
    ) -> None:
        """Keep everything running for so long, to the end of a replay, or until asked to stop."""
        started = looked = time.monotonic()
        while not self._stop.asked and not until():
            self._tick()
            now = time.monotonic()
            if seconds is not None and now - started >= seconds:
                return
            if self.plan.market.feed == "file" and now - looked >= _FINISHED_SECONDS:
                looked = now
                if report.simulator_finished(self.plan.simulator_url):
                    return

    def measure(self, seconds: float | None) -> Report:
        """Watch while measuring, then let everything arrive and hold the witnesses together."""
        probe = LatencyProbe(client_of(self.plan.search_url))
        probe.start()
        catch_up = self._catch_up(probe) if self.plan.market.feed != "file" else 0.0
        self._memory.settle()
        started = time.monotonic()
        self.watch(seconds)
        lasted = time.monotonic() - started
        latency = probe.stop()
        self._memory.sample(self._pids())
        cpu = {name: round(tree_cpu_seconds(pid), 1) for name, pid in self._pids().items()}
        if self.plan.simulator_url:
            report.pause_simulator(self.plan.simulator_url)
        else:
            self._stop_ingest()
        drained = report.drain(self.plan.kafka_address, self.console.say)
        told = report.reconcile(self.plan, self.offsets)
        return report.assemble(
            self.plan,
            told,
            drained=drained,
            latency_ms=latency,
            memory_mb=self._memory.as_json(),
            memory_growth=self._memory.growth(),
            cpu_seconds=cpu,
            restarts={
                name: unit.restarts for name, unit in self.supervisor.units.items() if unit.restarts
            },
            seconds=lasted,
            catch_up_seconds=catch_up,
        )

    def _catch_up(self, probe: LatencyProbe) -> float:
        """Wait until the trades that came during the start are through; gives the seconds."""
        started = time.monotonic()
        self.console.say("stream: catching up with the trades that came during the start")
        self.watch(CATCH_UP_SECONDS, until=lambda: probe.caught_up)
        probe.restart()
        return time.monotonic() - started

    offsets: verify.Offsets = {}  # noqa: RUF012 - replaced, never changed

    def note_offsets(self) -> None:
        """Remember where a Kafka of the user's own ends before we write to it."""
        if self.plan.bootstrap:
            create_topics(KafkaSettings(bootstrap_servers=self.plan.bootstrap))
            self.offsets = verify.end_offsets(self.plan.bootstrap)

    def end(self) -> None:
        """Stop everything in order."""
        self._phase = "stopping"
        self._write()
        self.supervisor.stop(hurry=lambda: self._stop.hurried)
        if self._served is not None:
            self._served.close()
        self._phase = "stopped"
        self._write()

    def _tick(self) -> None:
        self.supervisor.tick()
        if failed := self.supervisor.failed:
            raise failure(failed[0])
        if time.monotonic() - self._measured >= MEMORY_SECONDS:
            self._measured = time.monotonic()
            sizes = self._memory.sample(self._pids())
            if self._served is not None:
                self._served.show(sizes)
        time.sleep(TICK_SECONDS)

    def _stop_ingest(self) -> None:
        """End the ingest processes, so that nothing more comes from the real exchange."""
        for name, unit in self.supervisor.units.items():
            if name.startswith("ingest-") and unit.process is not None:
                process.stop(unit.process, 8.0)
                unit.process = None

    def _pids(self) -> dict[str, int]:
        units = self.supervisor.units.values()
        return {unit.component.name: unit.pid for unit in units if unit.pid is not None}

    def _write(self) -> None:
        content: dict[str, Any] = {
            "supervisor_pid": os.getpid(),
            "phase": self._phase,
            "feed": self.plan.market.feed,
            "urls": urls(self.plan),
            "components": [state.describe(unit) for unit in self.supervisor.units.values()],
        }
        state.write(self.plan.home, content)


def failure(unit: Unit) -> CliError:
    """Describe a component that was given up: its reason, its last lines, the next step.

    One that refused what it was given has said so in its last line, which is all one needs.
    """
    lines, name = process.last_lines(unit.log), unit.component.name
    if unit.refused and lines:
        return CliError(f"{name}: {lines[-1]}", "Change that, then run it again.")
    shown = "".join(f"    {line}\n" for line in lines) or "    (nothing)\n"
    return CliError(
        f"{name} failed: {unit.last_error}; its log ends in\n{shown}",
        f"Its whole log is {unit.log}; once that is repaired, run it again.",
    )
