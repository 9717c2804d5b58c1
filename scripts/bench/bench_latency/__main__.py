"""Run the stack at each rate: a table, and as the last line the highest rate's figures as JSON."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import IO, TYPE_CHECKING, Any, Final

from bench_latency.alerts import Alerts

if TYPE_CHECKING:
    from collections.abc import Iterator

_METRICS: Final = "metrics: "
#: The demo's word at the end of what it measures.
_MEASURED: Final = "report: waiting until all that was sent is indexed"


@dataclass
class Ended:
    """When the demo ended its measurement, by the monotonic clock."""

    at: float = 0.0


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench_latency", description=__doc__)
    parser.add_argument("--rates", default="1000,100", help="trades/s, separated by commas")
    parser.add_argument("--seconds", type=int, default=120, help="measured at each rate")
    return parser.parse_args()


@contextmanager
def shared_directory() -> Iterator[str]:
    """Give a new directory that the account of Elasticsearch may enter, too."""
    with tempfile.TemporaryDirectory(prefix="bench-latency-") as folder:
        Path(folder).chmod(0o755)
        yield folder


def run(rate: int, seconds: int) -> dict[str, Any]:
    """Run the demo at a rate; gives its report, with the alerts' number and p95."""
    words = [sys.executable, "-m", "cryptostream.cli", "demo", "--feed", "sim", "--json"]
    words += ["--rate", str(rate), "--for", str(seconds), "--free-ports"]
    with (
        shared_directory() as folder,
        subprocess.Popen(  # noqa: S603 - ours
            words,
            env=os.environ | {"CRYPTOSTREAM_STATE_DIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as demo,
    ):
        assert demo.stdout is not None
        assert demo.stderr is not None
        ended = Ended()
        Thread(target=follow, args=(demo.stderr, ended), daemon=True).start()
        alerts, last = None, "{}"
        for line in demo.stdout:
            last = line if line.strip() else last
            if line.startswith(_METRICS):
                alerts = Alerts(line.removeprefix(_METRICS).strip())
                alerts.start()
    if demo.returncode or alerts is None:
        raise RuntimeError(f"the demo ended with {demo.returncode}: {last}")
    count, p95 = alerts.stop(seconds, ended.at)
    return json.loads(last) | {"rate": rate, "alerts": count, "alerts_p95_ms": p95}


def follow(lines: IO[str], ended: Ended) -> None:
    """Pass the demo's progress on, and note when it stops measuring."""
    for line in lines:
        if _MEASURED in line:
            ended.at = time.monotonic()
        sys.stderr.write(line)


def row(told: dict[str, Any]) -> str:
    """Render a line of the table."""
    latency = "".join(f"{told['latency_ms'][name] or 0:10,.0f}" for name in ("p50", "p95", "p99"))
    cpu = sum(told["cpu_seconds"].values())
    lost = f"{told['lost']:8}{told['duplicates']:12}"
    return (
        f"{told['rate']:8,}{latency}{told['alerts']:8}{told['alerts_p95_ms']:12,.0f}{lost}{cpu:9}"
    )


def main() -> int:
    """Run what was asked for; status 1 if a trade was lost or doubled."""
    given = options()
    told = [run(int(rate), given.seconds) for rate in given.rates.split(",")]
    head = (
        f"{'rate':>8}{'p50 ms':>10}{'p95 ms':>10}{'p99 ms':>10}"
        f"{'alerts':>8}{'their p95':>12}{'lost':>8}{'duplicates':>12}{'CPU s':>9}"
    )
    top = max(told, key=lambda one: float(one["rate"]))
    figures = {f"{name}_ms": top["latency_ms"][name] for name in ("p50", "p95", "p99")}
    last = json.dumps(figures | {"rate": top["rate"]})
    sys.stdout.write("\n".join([head, *map(row, told), last]) + "\n")
    return 1 if any(one["lost"] or one["duplicates"] for one in told) else 0


if __name__ == "__main__":
    sys.exit(main())
