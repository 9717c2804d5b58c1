"""The supervisor, with tiny programs for components."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.eventually import eventually

from cryptostream.cli import supervisor as supervising
from cryptostream.cli.component import Component, Probe
from cryptostream.cli.supervisor import Supervisor, restart_delay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SLEEPS = "import time; time.sleep(60)"
IGNORES = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS


def service(name: str, code: str = SLEEPS, *needs: str, **more: object) -> Component:
    """Describe a service that runs Python code."""
    argv = (sys.executable, "-c", code)
    return Component(name, argv, Probe("http", name), needs=needs, **more)


def task(name: str, code: str = "", *needs: str) -> Component:
    """Describe a task that runs Python code."""
    return Component(name, (sys.executable, "-c", code), Probe("exit"), needs=needs)


class Bench:
    """A supervisor with all it said; what its probes answer can be set by name."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self.said: list[str] = []
        self.amiss: dict[str, str] = {}
        self.mute: set[str] = set()
        self.made: list[Supervisor] = []

    def __call__(self, *parts: Component) -> Supervisor:
        """Make a supervisor of these components."""
        made = Supervisor(
            parts,
            self._logs,
            say=self.said.append,
            trouble=lambda probe: self.amiss.get(probe.target),
            answers=lambda probe: probe.target not in self.mute,
        )
        self.made.append(made)
        return made


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """Give a bench whose processes are gone afterwards."""
    made = Bench(tmp_path)
    yield made
    for one in made.made:
        one.stop(hurry=lambda: True)


def ticking(one: Supervisor, condition: Callable[[], object]) -> None:
    """Tick until the condition holds."""

    def look() -> object:
        one.tick()
        return condition()

    eventually(look, within=20)


def states(one: Supervisor) -> dict[str, str]:
    """Give the state of each unit by name."""
    return {name: unit.state for name, unit in one.units.items()}


def test_components_start_once_what_they_need_is_well(bench: Bench) -> None:
    """A service waits for its service and its task, and is well in the end."""
    one = bench(service("server"), task("setup", "", "server"), service("last", SLEEPS, "setup"))
    bench.amiss["server"] = "refused"
    ticking(one, lambda: states(one)["server"] == "starting")
    one.tick()
    assert states(one) == {"server": "starting", "setup": "waiting", "last": "waiting"}
    bench.amiss.clear()
    ticking(one, lambda: one.ready)
    assert states(one) == {"server": "well", "setup": "done", "last": "well"}


def test_a_killed_service_is_started_again(bench: Bench) -> None:
    """Kill -9 costs a restart, which is counted and told."""
    one = bench(service("a"))
    ticking(one, lambda: one.ready)
    first = one.units["a"].pid
    assert first
    os.kill(first, signal.SIGKILL)
    ticking(one, lambda: one.ready and one.units["a"].pid not in {None, first})
    assert one.units["a"].restarts == 1
    assert any("killed by signal 9, starts again" in line for line in bench.said)


def test_a_service_that_says_nothing_is_started_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that lives but answers nobody is replaced, and the reason told."""
    monkeypatch.setattr(supervising, "LISTEN_SECONDS", 0.0)
    monkeypatch.setattr(supervising, "HUNG_SECONDS", 0.3)
    one = bench(service("a"))
    ticking(one, lambda: one.ready)
    first = one.units["a"].pid
    bench.mute.add("a")
    ticking(one, lambda: one.units["a"].restarts)
    bench.mute.clear()
    ticking(one, lambda: one.ready)
    assert one.units["a"].pid not in {None, first}
    assert one.units["a"].last_error == "said nothing for 0 s"


def test_a_service_that_is_unwell_but_answers_is_left_alone(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that says it is not ready works on it: a restart would only set it back."""
    monkeypatch.setattr(supervising, "LISTEN_SECONDS", 0.0)
    monkeypatch.setattr(supervising, "HUNG_SECONDS", 0.0)
    one = bench(service("a"))
    ticking(one, lambda: one.ready)
    bench.amiss["a"] = "status 503"
    for _ in range(5):
        one.tick()
    assert one.units["a"].restarts == 0


def test_what_a_killed_service_left_is_ended_before_the_next(bench: Bench, tmp_path: Path) -> None:
    """A child that outlives its parent, as Spark's JVM might, doesn't outlive the restart."""
    pid_file = tmp_path / "child"
    code = (
        "import pathlib, subprocess, sys, time\n"
        f"child = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}])\n"
        f"pathlib.Path({str(pid_file)!r}).write_text(str(child.pid))\n"
        "time.sleep(60)"
    )
    one = bench(service("driver", code))
    ticking(one, lambda: one.ready and pid_file.exists() and pid_file.read_text())
    child, leader = int(pid_file.read_text()), one.units["driver"].pid
    assert leader
    os.kill(leader, signal.SIGKILL)
    ticking(one, lambda: one.units["driver"].restarts)
    eventually(lambda: not is_running(child), within=5)


def is_running(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_service_that_keeps_crashing_is_given_up(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After five crashes within the window it stays down, its last lines kept in the log."""
    monkeypatch.setattr(supervising, "_FIRST_DELAY_SECONDS", 0.01)
    one = bench(service("bad", "print('no such luck'); raise SystemExit(3)"))
    bench.amiss["bad"] = "refused"
    ticking(one, lambda: one.failed)
    assert one.units["bad"].restarts == supervising.MAX_RESTARTS
    assert one.units["bad"].last_error == "ended with status 3"
    assert "no such luck" in one.units["bad"].log.read_text()


def test_settings_that_cannot_be_used_are_not_tried_again(bench: Bench) -> None:
    """Status 2 says that another start would end the same way."""
    one = bench(service("bad", "raise SystemExit(2)"))
    bench.amiss["bad"] = "refused"
    ticking(one, lambda: one.failed)
    assert one.units["bad"].restarts == 0


def test_a_failed_task_is_given_up(bench: Bench) -> None:
    """A task is not repeated, and what needs it doesn't start."""
    one = bench(task("setup", "raise SystemExit(1)"), service("a", SLEEPS, "setup"))
    ticking(one, lambda: one.failed)
    assert states(one) == {"setup": "failed", "a": "waiting"}


def test_a_service_that_never_gets_well_is_given_up(bench: Bench) -> None:
    """The reason names what was amiss, and the process is gone."""
    one = bench(service("slow", start_seconds=0.2))
    bench.amiss["slow"] = "status 503"
    ticking(one, lambda: one.failed)
    assert one.units["slow"].last_error == "was not well within 0 s: status 503"
    assert one.units["slow"].process is None


def test_a_program_that_is_not_there_is_told(bench: Bench) -> None:
    """A component that can't be started fails without taking the supervisor with it."""
    one = bench(Component("none", ("/no/such/program",), Probe("exit")))
    ticking(one, lambda: one.failed)
    assert "No such file" in one.units["none"].last_error


def test_stopping_goes_against_the_order_of_starting(bench: Bench) -> None:
    """A server stops after what needs it, also where only a task stands between them."""
    one = bench(service("server"), task("setup", "", "server"), service("last", SLEEPS, "setup"))
    ticking(one, lambda: one.ready)
    bench.said.clear()
    one.stop()
    assert bench.said == ["last: stopping", "server: stopping"]
    assert set(states(one).values()) == {"stopped"}


def test_a_hung_component_is_killed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ignores SIGTERM is killed, and what it needs is still stopped in order."""
    monkeypatch.setattr(supervising, "STOP_ONE_SECONDS", 0.2)
    one = bench(service("server"), service("hung", IGNORES, "server"))
    ticking(one, lambda: one.ready)
    bench.said.clear()
    one.stop()
    assert bench.said[0] == "hung: stopping"
    assert bench.said[-1] == "server: stopping"
    assert one.units["hung"].process is None


def test_delays_grow_and_end() -> None:
    """Half a second, doubled with each recent crash, then no more; old crashes don't count."""
    now = 1000.0
    assert [restart_delay([now] * count, now) for count in range(1, 6)] == [0.5, 1, 2, 4, None]
    assert restart_delay([1.0] * 50 + [now], now) == 0.5
