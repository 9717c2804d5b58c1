"""What one types: `cryptostream doctor | demo | up | down | status | feed`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console as RichConsole
from rich.table import Table

from cryptostream.cli import doctor as checks
from cryptostream.cli import memory, state
from cryptostream.cli.console import Console
from cryptostream.cli.coverage_kafka import Watch, kafka_address
from cryptostream.cli.coverage_show import show_live, show_once
from cryptostream.cli.errors import USAGE_STATUS, CliError
from cryptostream.cli.paths import default_cache_dir, default_state_dir
from cryptostream.cli.plan import Market, Ports, listened
from cryptostream.cli.prepare import Wish, prepare
from cryptostream.cli.run import Run, StopRequest

if TYPE_CHECKING:
    from cryptostream.cli.plan import Plan
    from cryptostream.cli.report import Report

app = typer.Typer(
    help="The cryptostream pipeline on one machine: exchange, Kafka, Spark, model, search, page.",
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode="rich" if sys.stdout.isatty() else None,
    pretty_exceptions_enable=False,
)
_DOWN_SECONDS: Final = 25.0
_POLL_SECONDS: Final = 0.2


class FeedOption(StrEnum):
    """Where trades come from."""

    AUTO = "auto"
    BYBIT = "bybit"
    SIM = "sim"
    FILE = "file"


Feed = Annotated[FeedOption, typer.Option(help="Where trades come from; auto asks Bybit first.")]
Files = Annotated[list[Path] | None, typer.Option("--file", help="Recorded trades (repeatable).")]
Symbols = Annotated[str, typer.Option(help="Such as BTCUSDT,ETHUSDT; empty takes all.")]
Shards = Annotated[int, typer.Option(help="Ingest processes that share the symbols.")]
Rate = Annotated[float, typer.Option(min=0.1, help="Simulator: mean trades per second.")]
Speed = Annotated[float, typer.Option(min=1, max=100, help="Simulator: times real time.")]
Seed = Annotated[int, typer.Option(min=0, help="Simulator: seed of its market.")]
BoardPort = Annotated[int, typer.Option(min=1, max=65535, help="Port of the page.")]
FreePorts = Annotated[bool, typer.Option("--free-ports", help="Take any free ports instead.")]
Once = Annotated[bool, typer.Option("--once", help="Show it once and end.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@app.command()
def doctor(*, as_json: Json = False) -> None:
    """Look at what this machine must have, and say how to get what is missing."""
    home = default_state_dir()
    ports = {} if state.is_locked(home) else listened(Ports(), Market(), 1, kafka=True, search=True)
    found = checks.examine(ports, default_cache_dir(), home)
    if as_json:
        _print_json(checks.as_json(found))
    else:
        console = Console()
        for check in found:
            console.show(f"{'ok     ' if check.ok else 'MISSING'} {check.name}: {check.detail}")
            if check.remedy:
                console.show(f"        {check.remedy}")
    raise typer.Exit(0 if all(check.ok for check in found) else USAGE_STATUS)


@app.command()
def demo(
    *,
    feed: Feed = FeedOption.AUTO,
    file: Files = None,
    symbols: Symbols = "",
    seconds: Annotated[
        float | None, typer.Option("--for", min=1, help="Stop after so many seconds and report.")
    ] = None,
    shards: Shards = 1,
    rate: Rate = 100.0,
    speed: Speed = 1.0,
    seed: Seed = 1,
    board_port: BoardPort = Ports.board,
    free_ports: FreePorts = False,
    as_json: Json = False,
) -> None:
    """Run the whole pipeline here until Ctrl-C, with fresh data."""
    wish = Wish(
        feed.value, tuple(file or ()), symbols, shards, rate, speed, seed, board_port, free_ports
    )
    if as_json and seconds is None and not wish.files:
        raise CliError("--json needs an end", "Add --for SECONDS.")
    console, stop = Console(to_stderr=as_json), StopRequest()
    stop.install()
    home = default_state_dir()
    with state.locked(home):
        plan = _fresh_plan(wish, home, console)
        told = _foreground(Run(plan, console, stop), seconds, report=as_json or seconds is not None)
    if told is not None:
        _print_json(told.content, indent=None if as_json else 2)
        raise typer.Exit(0 if told.sound else 1)


@app.command()
def up(
    *,
    feed: Feed = FeedOption.AUTO,
    file: Files = None,
    symbols: Symbols = "",
    shards: Shards = 1,
    rate: Rate = 100.0,
    speed: Speed = 1.0,
    seed: Seed = 1,
    board_port: BoardPort = Ports.board,
    free_ports: FreePorts = False,
) -> None:
    """Start the pipeline in the background and return when all is well."""
    wish = Wish(
        feed.value, tuple(file or ()), symbols, shards, rate, speed, seed, board_port, free_ports
    )
    console, home = Console(), default_state_dir()
    with state.locked(home):
        plan = _fresh_plan(wish, home, console)
        log = home / "logs" / "supervisor.log"
        log.parent.mkdir(exist_ok=True)
        log.touch()
        sys.stdout.flush()
        if (pid := os.fork()) == 0:
            _background(plan, log)
    _follow(pid, log, home)


@app.command()
def down() -> None:
    """Stop the pipeline and leave nothing behind but the downloads in the cache."""
    console, home = Console(), default_state_dir()
    if not home.exists():
        console.show("Nothing runs.")
        return
    found = state.read(home)
    if state.is_locked(home) and found:
        console.say("stopping the stack")
        _end_supervisor(int(found["supervisor_pid"]), home)
        found = state.read(home)
    for name in state.end_leftovers(found):
        console.say(f"{name}: killed")
    state.remove(home)
    console.say(f"stopped; {home} is removed, downloads stay in {default_cache_dir()}")


@app.command()
def status(*, as_json: Json = False) -> None:
    """Show each component: state, pid, port, memory, restarts, last error."""
    home = default_state_dir()
    found = state.read(home)
    running = found is not None and state.is_locked(home)
    if found is None or not running:
        if as_json:
            _print_json({"running": False, "components": []})
        else:
            Console().show("Nothing runs. Start it with `cryptostream up` or `cryptostream demo`.")
        raise typer.Exit(1)
    for part in found["components"]:
        part["memory_mb"] = round(memory.tree_mb(part["pid"])) if part["pid"] else 0
    if as_json:
        _print_json({"running": True, **found})
        return
    _print_table(found)


@app.command(name="feed")
def show_feed(*, once: Once = False, as_json: Json = False) -> None:
    """Show live who receives what: owners, rates, gaps and lags."""
    found = state.read(default_state_dir()) or {}
    with Watch(kafka_address(found)) as watch, contextlib.suppress(KeyboardInterrupt):
        if once:
            show_once(watch, as_json=as_json)
        else:
            show_live(watch, as_json=as_json)


def _fresh_plan(wish: Wish, home: Path, console: Console) -> Plan:
    """End what a killed run left behind, then plan the new one."""
    for name in state.end_leftovers(state.read(home)):
        console.say(f"{name}: killed, an earlier run left it behind")
    state.clear(home)
    return prepare(wish, home, console.say)


def _foreground(run: Run, seconds: float | None, *, report: bool) -> Report | None:
    """Run to the end that was asked for, then stop everything in order."""
    try:
        run.note_offsets()
        run.start()
        if not run.supervisor.ready:
            return None
        show_urls(run.console, run.plan)
        if report:
            return run.measure(seconds)
        run.console.show("Ctrl-C stops everything.")
        run.watch(seconds)
        return None
    finally:
        run.end()
        state.clear(run.plan.home, "logs")


def _background(plan: Plan, log: Path) -> None:
    """Be the supervisor of a run in the background; never returns."""
    os.setsid()
    with log.open("ab", buffering=0) as output:
        for number in (1, 2):
            os.dup2(output.fileno(), number)
    stop, exit_status = StopRequest(), 0
    stop.install()
    run = Run(plan, Console(), stop)
    try:
        run.start()
        run.watch()
    except CliError as error:
        run.console.show(str(error))
        exit_status = USAGE_STATUS
    finally:
        run.end()
        state.clear(plan.home, "logs")
        os._exit(exit_status)


def _follow(pid: int, log: Path, home: Path) -> None:
    """Show the supervisor's progress until all is well or it has ended."""
    with log.open() as lines:
        while True:
            phase = (state.read(home) or {}).get("phase")
            ended, exit_status = os.waitpid(pid, os.WNOHANG)
            sys.stdout.write(lines.read())
            sys.stdout.flush()
            if ended:
                raise typer.Exit(os.waitstatus_to_exitcode(exit_status) or USAGE_STATUS)
            if phase == "running":
                break
            time.sleep(_POLL_SECONDS)
    for what, url in (state.read(home) or {})["urls"].items():
        Console().show(f"{what}: {url}")


def _end_supervisor(pid: int, home: Path) -> None:
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + _DOWN_SECONDS
    while state.is_locked(home):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(_POLL_SECONDS)


def show_urls(console: Console, plan: Plan) -> None:
    """Print where to look, as the last thing before waiting."""
    from cryptostream.cli.stack import urls  # noqa: PLC0415 - keeps `--help` quick

    console.show()
    for what, url in urls(plan).items():
        console.show(f"{what}: {url}")
    console.show()


def _print_table(found: dict[str, Any]) -> None:
    columns = ("name", "state", "pid", "port", "memory_mb", "restarts", "last_error")
    table = Table(*columns)
    for part in found["components"]:
        table.add_row(*("" if part[key] in {None, 0} else str(part[key]) for key in columns))
    console = RichConsole()
    if console.is_terminal:
        console.print(table)
        return
    for part in found["components"]:
        sys.stdout.write("\t".join(str(part[key]) for key in columns) + "\n")


def _print_json(content: dict[str, Any], indent: int | None = None) -> None:
    sys.stdout.write(json.dumps(content, indent=indent) + "\n")
