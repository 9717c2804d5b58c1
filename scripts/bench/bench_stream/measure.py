"""Running one variant and reading its speed off its own words."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import psutil

from cryptostream.cli import artifacts
from cryptostream.cli.clients import choose_client
from cryptostream.cli.fetch import fetch
from cryptostream.cli.jdk import find_jdk
from cryptostream.cli.paths import default_cache_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TOPIC: Final = "bybit-trades"
_STOP_SECONDS: Final = 30
#: Words in a process's command line, by what it is called in the table; the first match counts.
PARTS: Final = {
    "elasticsearch": "elasticsearch", "kafka.Kafka": "kafka", "SparkSubmit": "jvm",
    "bench_stream.child": "python", "cryptostream.predictor": "predictor",
}  # fmt: skip


@dataclass
class Place:
    """Where a variant runs."""

    kafka: str
    search: str
    predictor: str
    folder: Path
    trades: int
    metrics_port: int
    profile: str = ""


@dataclass
class Result:
    """Trades per second after the first batch, and the CPU that all processes took for a trade."""

    name: str
    per_second: float
    cpu_us: dict[str, float] = field(default_factory=dict)


def cpu_seconds() -> dict[str, float]:
    """Give the CPU time of all that this process started, by part."""
    found: dict[str, float] = {}
    for process in psutil.Process().children(recursive=True):
        try:
            words, used = " ".join(process.cmdline()), process.cpu_times()
        except psutil.Error:
            continue
        part = next((name for word, name in PARTS.items() if word in words), "")
        if part:
            found[part] = found.get(part, 0.0) + used.user + used.system
    return found


def measure(name: str, place: Place) -> Result:
    """Run a variant until it has taken all trades.

    The first batch warms it up: what it took counts neither as trades nor as time.
    """
    log = place.folder / f"{name}.log"
    with (
        log.open("wb") as errors,
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", "bench_stream.child", name],
            env=_environment(name, place),
            stdout=subprocess.PIPE,
            stderr=errors,
        ) as child,
    ):
        try:
            batches = _batches(child)
            first = next(batches, None)
            before, taken, ended = cpu_seconds(), 0, 0.0
            done = first["trades"] if first else 0
            while first and done < place.trades and (batch := next(batches, None)):
                done, taken, ended = done + batch["trades"], taken + batch["trades"], batch["end"]
            after = cpu_seconds()
        finally:
            child.terminate()
            child.wait(_STOP_SECONDS)
    if not first or not taken or done < place.trades:
        raise RuntimeError(f"{name} ended after {done} trades:\n{log.read_text()[-4000:]}")
    used = {part: (spent - before.get(part, 0.0)) / taken * 1e6 for part, spent in after.items()}
    return Result(name, taken / (ended - first["end"]), used)


def _batches(child: subprocess.Popen[bytes]) -> Iterator[dict[str, Any]]:
    assert child.stdout is not None
    for line in child.stdout:
        if line.startswith(b'{"trades"'):
            yield json.loads(line)


def _environment(name: str, place: Place) -> dict[str, str]:
    jdk = find_jdk()
    jars = fetch(artifacts.SPARK_KAFKA, default_cache_dir(), lambda: choose_client(jdk), print)
    return os.environ | {
        "JAVA_HOME": str(jdk.home),
        "KAFKA_BOOTSTRAP_SERVERS": place.kafka,
        "ELASTICSEARCH_URL": place.search,
        "STREAM_CHECKPOINT": str(place.folder / name),
        "STREAM_JARS": str(jars),
        "STREAM_PREDICTOR_URL": place.predictor,
        "STREAM_TOPICS_PATTERN": TOPIC,
        "STREAM_METRICS_PORT": str(place.metrics_port),
        "BENCH_PROFILE": place.profile,
    }
