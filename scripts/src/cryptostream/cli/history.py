"""`cryptostream history`: runs the stream room's batch job and shows how far it is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cryptostream.cli import artifacts, state
from cryptostream.cli.clients import choose_client
from cryptostream.cli.coverage_kafka import kafka_address
from cryptostream.cli.errors import USAGE_STATUS, CliError
from cryptostream.cli.fetch import fetch
from cryptostream.cli.jdk import find_jdk
from cryptostream.cli.paths import default_cache_dir, default_state_dir
from cryptostream.contracts.settings import ElasticsearchSettings, load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_MODULE: Final = "cryptostream.stream.history"
_PHASES: Final = {
    "read": "reading trades",
    "reference": "reading the reference",
    "compute": "computing and writing",
}

From = Annotated[str, typer.Option("--from", help="Such as 2026-11-22T00:00, UTC.")]
To = Annotated[str, typer.Option("--to", help="The last moment told of.")]
Symbols = Annotated[str, typer.Option(help="Such as BTCUSDT,ETHUSDT; empty takes all.")]
Source = Annotated[str, typer.Option(help="elasticsearch or kafka.")]
Windows = Annotated[str, typer.Option(help="Some of 5m,1h,24h.")]
Step = Annotated[str, typer.Option(help="From moment to moment, such as 10s, 5m or 1h.")]
Reference = Annotated[str, typer.Option(help="The symbol that correlations are with.")]


def history(
    *,
    from_time: From,
    to_time: To,
    symbols: Symbols = "",
    source: Source = "elasticsearch",
    windows: Windows = "5m,1h,24h",
    step: Step = "5m",
    reference: Reference = "BTCUSDT",
) -> None:
    """Compute rolling statistics of any past range into crypto-history-*."""
    asked = {
        "from": from_time, "to": to_time, "symbols": symbols, "source": source,
        "windows": windows, "step": step, "reference": reference,
    }  # fmt: skip
    options = [f"--{name}={value}" for name, value in asked.items()]
    with tempfile.TemporaryFile("w+") as words:
        # Paths, addresses and options alone: the job checks what was typed.
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", _MODULE, *options],
            env={**os.environ, **_environment(kafka=source == "kafka")},
            stdout=subprocess.PIPE,
            stderr=words,
            text=True,
        )
        with process:
            done = _show(json.loads(line) for line in process.stdout or ())
        words.seek(0)
        last = ([line.strip() for line in words if line.strip()] or ["no word why"])[-1]
    if process.returncode:
        sys.stderr.write(f"error: {last}\n")
        raise typer.Exit(process.returncode if process.returncode == USAGE_STATUS else 1)
    sys.stdout.write(_summary(done) + "\n")


def _environment(*, kafka: bool) -> dict[str, str]:
    """Say where servers, Java and jars are: the environment's, else the running stack's."""
    found, jdk = state.read(default_state_dir()) or {}, find_jdk()
    given = {
        "JAVA_HOME": str(jdk.home),
        "ELASTICSEARCH_URL": search_address(found),
        "KAFKA_BOOTSTRAP_SERVERS": kafka_address(found),
    }
    if kafka and not os.environ.get("STREAM_JARS"):
        cache, console = default_cache_dir(), Console(stderr=True)
        jars = fetch(artifacts.SPARK_KAFKA, cache, lambda: choose_client(jdk), console.print)
        given["STREAM_JARS"] = str(jars)
    return given


def search_address(found: Mapping[str, Any]) -> str:
    """Give Elasticsearch's URL: the environment's, else the running stack's, else the usual one."""
    if "ELASTICSEARCH_URL" not in os.environ:
        for part in found.get("components", ()):
            if part["name"] == "elasticsearch" and part["port"]:
                return f"http://127.0.0.1:{part['port']}"
    return load_settings(ElasticsearchSettings).url


def _show(told: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Show progress as it comes: bars on a terminal, else a line a change; give the last word."""
    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        return _show_bars(told, console)
    done: dict[str, Any] = {}
    for done in told:
        if done["phase"] in _PHASES and done["total"]:
            console.print(f"{_PHASES[done['phase']]}: {done['done']}/{done['total']} tasks")
    return done


def _show_bars(told: Iterable[dict[str, Any]], console: Console) -> dict[str, Any]:
    columns = (
        TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    done: dict[str, Any] = {}
    with Progress(*columns, console=console) as bars:
        tasks = {name: bars.add_task(text, total=None, start=False)
                 for name, text in _PHASES.items()}  # fmt: skip
        for done in told:
            if done["phase"] in tasks:
                bars.start_task(tasks[done["phase"]])
                bars.update(
                    tasks[done["phase"]], completed=done["done"], total=done["total"] or None
                )
    return done


def _summary(done: Mapping[str, Any]) -> str:
    if "run" not in done:
        raise CliError("The job ended without a word", "Run it again.")
    return (
        f"{done['documents']} documents of {done['symbols']} symbols from {done['trades']} trades"
        f" in crypto-history-*, run {done['run']}"
    )
