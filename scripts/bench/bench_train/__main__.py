"""Train on a simulated market by the real command: its time, its memory, and the rows it learned.

Trades become files by the simulator's `generate`; what is measured is `train` alone, which reads
the files, replays the features, labels, walks forward, judges and saves. It runs on two cores. The
last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

CORES: Final = 2
SYMBOLS: Final = "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT,LTCUSDT"
#: Trades per second over all symbols; it decides over how much time the trades are spread.
RATE: Final = "40"


class Run(NamedTuple):
    """What one training cost, and what it said of itself."""

    status: int
    seconds: float
    cpu_seconds: float
    peak_mib: int
    summary: dict[str, Any]


def main() -> int:
    """Generate, train, tell; status 1 if training failed."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-train-", dir=options.folder) as name:
        folder = Path(name)
        _generate(folder / "trades", options)
        run = _train(folder, options)
    if run.status:
        return 1
    answer = {
        "trades": run.summary["data"]["trades"],
        "fitted_rows": run.summary["options"]["fitted_rows"],
        "seconds": round(run.seconds, 1),
        "cpu_seconds": round(run.cpu_seconds, 1),
        "peak_mib": run.peak_mib,
    }
    sys.stdout.write(json.dumps(answer) + "\n")
    return 0


def _generate(trades: Path, options: argparse.Namespace) -> None:
    words = ("--trades", str(options.trades), "--symbols", SYMBOLS, "--rate", RATE)
    subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-m", "cryptostream.simulator", "generate", *words, "--out", str(trades)],
        check=True,
    )


def _train(folder: Path, options: argparse.Namespace) -> Run:
    """Train in a process of its own, which the kernel's accounts tell the cost of."""
    words = [sys.executable, "-m", "cryptostream.models", "train"]
    words += ["--trades", str(folder / "trades"), "--store", str(folder / "store")]
    words += ["--pointer", str(folder / "model.json"), "--trees", str(options.trees)]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    started = time.perf_counter()
    said = folder / "said.json"
    with said.open("wb") as output:
        process = subprocess.Popen(words, stdout=output)  # noqa: S603 - ours
        _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    return Run(
        os.waitstatus_to_exitcode(status), seconds,
        used.ru_utime + used.ru_stime, used.ru_maxrss // 1024, json.loads(said.read_text() or "{}"),
    )  # fmt: skip


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench_train", description=__doc__)
    parser.add_argument("--trades", type=int, default=2_900_000)
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--folder", type=Path, help="for some 200 MB, instead of the system's own")
    return parser


if __name__ == "__main__":
    sys.exit(main())
