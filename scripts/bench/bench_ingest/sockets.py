"""WebSocket libraries side by side, each with ingest's own decoder behind it.

`python -m bench_ingest.sockets` starts the exchange and, in turns, a process for each library
and event loop. The figures are CPU microseconds per trade without Kafka, medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.table import Table

from bench_ingest.clients import wait_until
from bench_ingest.frames import SYMBOLS
from bench_ingest.measure import Case
from bench_ingest.servers import running_exchange

if TYPE_CHECKING:
    from bench_ingest.servers import Exchange

KINDS: Final = tuple(
    (library, loop)
    for library in ("aiohttp", "websockets", "picows")
    for loop in ("asyncio", "uvloop")
)
_WARM_UP: Final = Case("warm-up", 1_000, 1, 1_000)
_START_SECONDS: Final = 30.0


def measure(exchange: Exchange, library: str, loop: str, cases: list[Case]) -> list[float]:
    """Run one library; give its CPU microseconds per trade, case by case."""
    flows = [_WARM_UP, *cases]
    lengths = ",".join(str(case.trades) for case in flows)
    bench, found = exchange.bench, []
    wait_until(lambda: bench.subscribed() == 0, _START_SECONDS, "the last client's end")
    child_of = (library, loop, exchange.websocket(), lengths)
    with subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench_ingest.socket_client", *child_of],
        env=os.environ | {"SSL_CERT_FILE": str(exchange.certificate)},
        stdout=subprocess.PIPE,
    ) as child:
        assert child.stdout is not None
        wait_until(lambda: bench.subscribed() >= len(SYMBOLS), _START_SECONDS, "a subscription")
        for case in flows:
            bench.send(case)
            found.append(1e6 * float(child.stdout.readline()) / case.trades)
    return found[1:]


def main() -> None:
    """Print a table, and JSON as the last line."""
    parser = argparse.ArgumentParser(prog="bench_ingest.sockets", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--trades", type=int, default=40_000, help="of a burst")
    parser.add_argument("--paced-seconds", type=int, default=4)
    given = parser.parse_args()
    cases = [
        Case("burst", given.trades, 1),
        Case("2,000 frames/s", 2_000 * given.paced_seconds, 1, 2_000),
    ]
    found: dict[tuple[str, str], list[list[float]]] = {kind: [] for kind in KINDS}
    with running_exchange() as exchange:
        for _ in range(given.rounds):
            for kind in KINDS:
                found[kind].append(measure(exchange, *kind, cases))
    table = Table("CPU us per trade", "event loop", *(case.name for case in cases))
    told: dict[str, dict[str, float]] = {}
    for (library, loop), rounds in found.items():
        middle = [round(statistics.median(of), 2) for of in zip(*rounds, strict=True)]
        names = [case.name for case in cases]
        told[f"{library} on {loop}"] = dict(zip(names, middle, strict=True))
        table.add_row(library, loop, *(f"{value:.1f}" for value in middle))
    Console(width=100).print(table)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
