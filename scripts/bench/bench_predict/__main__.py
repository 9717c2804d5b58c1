"""Measure the predictor: rows per second by size of call and by route, and waits of many callers.

It serves a full forest of the champion's shape (100 trees of depth 8) by the real process, pinned
to one core where the machine has two, and calls it from the other. CPU per row is told beside the
rate: on a shared machine it is the figure that holds. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from socket import create_server
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import orjson
import psutil

from bench_predict.load import call, request
from bench_predict.model import make, rows
from cryptostream.contracts.features import FEATURE_NAMES, FEATURES_HASH

if TYPE_CHECKING:
    from collections.abc import Iterator

SIZES: Final = (1_000, 10_000)
CALLERS: Final = 64
CALLER_ROWS: Final = 100
READY_SECONDS: Final = 180.0


class Result(NamedTuple):
    """One line of the table."""

    name: str
    calls: int
    refused: int
    rows_per_s: float
    cpu_us_per_row: float
    p50_ms: float
    p99_ms: float


def main() -> int:
    """Run all measurements; status 1 if any call was refused."""
    options = _parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-predict-") as folder:
        pointer = make(Path(folder), trees=options.trees, depth=options.depth)
        with _served(Path(folder), pointer) as (port, server):
            results = _measure(port, server, options.seconds)
    head = f"{'':22}{'calls':>8}{'rows/s':>12}{'cpu us/row':>12}{'p50 ms':>9}{'p99 ms':>9}"
    lines = [head, *map(_table, results), json.dumps(_summary(results))]
    sys.stdout.write("\n".join(lines) + "\n")
    return 1 if any(one.refused for one in results) else 0


def _measure(port: int, server: psutil.Process, seconds: float) -> list[Result]:
    results = []
    for size in SIZES:
        for route, body in (("raw", _raw(size)), ("json", _json(size))):
            results.append(
                _run(
                    f"{route} {size} rows",
                    port,
                    server,
                    body,
                    size=size,
                    callers=1,
                    seconds=seconds,
                )
            )
    for route, body in (("raw", _raw(CALLER_ROWS)), ("json", _json(CALLER_ROWS))):
        name = f"{route} {CALLERS} x {CALLER_ROWS} rows"
        results.append(
            _run(name, port, server, body, size=CALLER_ROWS, callers=CALLERS, seconds=seconds)
        )
    return results


def _run(
    name: str, port: int, server: psutil.Process, raw: bytes, *, size: int, callers: int,
    seconds: float,
) -> Result:  # fmt: skip
    asyncio.run(call(port, raw, callers=callers, seconds=seconds / 10))  # warm
    before, started = _cpu(server), time.perf_counter()
    timings = asyncio.run(call(port, raw, callers=callers, seconds=seconds))
    wall, cpu = time.perf_counter() - started, _cpu(server) - before
    done = len(timings.seconds) * size
    p50, p99 = np.quantile(timings.seconds, (0.5, 0.99)) * 1000
    return Result(
        name, len(timings.seconds), timings.refused, done / wall, cpu / done * 1e6, p50, p99
    )


def _raw(size: int) -> bytes:
    headers = {"content-type": "application/octet-stream", "features-hash": FEATURES_HASH}
    return request("/predict_raw", rows(size).tobytes(), headers)


def _json(size: int) -> bytes:
    """Write what the stream sends: each float32 with the digits of the float64 it is."""
    table = rows(size).astype(np.float64)
    columns = {name: table[:, at].tolist() for at, name in enumerate(FEATURE_NAMES)}
    body = orjson.dumps({"features_hash": FEATURES_HASH, "columns": columns})
    return request("/predict", body, {"content-type": "application/json"})


@contextmanager
def _served(folder: Path, pointer: Path) -> Iterator[tuple[int, psutil.Process]]:
    with create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    environment = {
        **os.environ,
        "BENTOML_HOME": str(folder / "store"),
        "PREDICTOR_POINTER": str(pointer),
        "PREDICTOR_PORT": str(port),
    }
    with (folder / "predictor.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "cryptostream.predictor"],
            env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        _wait(port, process, folder)
        _pin(process.pid)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes], folder: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5)
        except OSError:
            time.sleep(0.2)
        else:
            return
    raise RuntimeError(f"the predictor didn't start: {(folder / 'predictor.log').read_text()}")


def _pin(pid: int) -> None:
    """Give the service one core and the callers another, where there are two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        psutil.Process(pid).cpu_affinity([cores[0]])
        os.sched_setaffinity(0, set(cores[1:]))


def _cpu(server: psutil.Process) -> float:
    used = server.cpu_times()
    return float(used.user + used.system)


def _summary(results: list[Result]) -> dict[str, float]:
    """Name the slower of the sizes for each route, the dearest JSON, and the raw callers' p99."""
    by_name = {one.name: one for one in results}
    rates = {
        route: [by_name[f"{route} {size} rows"].rows_per_s for size in SIZES]
        for route in ("raw", "json")
    }
    times = max(raw / columns for raw, columns in zip(rates["raw"], rates["json"], strict=True))
    return {
        "raw_rows_per_s": round(min(rates["raw"])),
        "json_rows_per_s": round(min(rates["json"])),
        "json_times_raw": round(times, 2),
        "p99_ms": round(by_name[f"raw {CALLERS} x {CALLER_ROWS} rows"].p99_ms, 1),
    }


def _table(one: Result) -> str:
    refused = f"  {one.refused} refused" if one.refused else ""
    return (
        f"{one.name:22}{one.calls:8}{one.rows_per_s:12,.0f}{one.cpu_us_per_row:12.2f}"
        f"{one.p50_ms:9.1f}{one.p99_ms:9.1f}{refused}"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench_predict", description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement")
    parser.add_argument("--trees", type=int, default=100)
    parser.add_argument("--depth", type=int, default=8)
    return parser


if __name__ == "__main__":
    sys.exit(main())
