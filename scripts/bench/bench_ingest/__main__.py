"""Run the benchmark: a table, and JSON as the last line."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.table import Table
from support.servers import free_ports, running_kafka

from bench_ingest.clients import CLIENTS, OURS, Client, Place, Running, running, wait_until
from bench_ingest.frames import SYMBOLS
from bench_ingest.measure import Bench, Case, Result
from bench_ingest.records import Records
from bench_ingest.servers import running_exchange
from cryptostream.cli.setup import create_topics
from cryptostream.contracts.settings import KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Recorded frames of spot and linear have 2.9 trades on average.
USUAL_PER_FRAME: Final = 3
#: Offered somewhat above the goals, since the time until the last record is counted as well.
SUSTAINED_PER_SECOND: Final = 20_500
BURST_PER_SECOND: Final = 52_000
SOAK_PER_SECOND: Final = 2_000
SOAK_SAMPLE_SECONDS: Final = 5.0
#: Memory settles (allocator, Kafka's buffers) before its slope means anything.
SOAK_SETTLE_SHARE: Final = 0.2
_START_SECONDS: Final = 60.0


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench_ingest", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--trades", type=int, default=40_000, help="of a back-to-back flow")
    parser.add_argument("--paced-seconds", type=int, default=8)
    parser.add_argument("--sustained-seconds", type=int, default=120)
    parser.add_argument("--burst-seconds", type=int, default=10)
    parser.add_argument("--soak", type=int, default=0, metavar="SECONDS", help="only the soak")
    parser.add_argument("--plain", action="store_true", help="no TLS, and so no cryptofeed")
    parser.add_argument("--only", default="", help="clients by name, separated by commas")
    return parser.parse_args()


def cases(given: argparse.Namespace) -> list[Case]:
    """Name the flows of the comparison."""
    bursts = [Case(f"{size} a frame", given.trades, size) for size in (1, 10, 100)]
    return [*bursts, Case("2,000 frames/s", 2_000 * given.paced_seconds, 1, 2_000)]


@contextmanager
def servers(*, plain: bool) -> Iterator[tuple[Place, Bench]]:
    """Run Kafka and the exchange."""
    with running_kafka() as kafka, running_exchange() as exchange:
        create_topics(KafkaSettings(bootstrap_servers=kafka))
        (metrics_port,) = free_ports(1)
        place = Place(
            kafka=kafka,
            websocket=exchange.websocket(plain=plain),
            rest=exchange.rest,
            certificate=exchange.certificate,
            metrics_port=metrics_port,
            log=exchange.folder / "clients.log",
        )
        yield place, exchange.bench


@contextmanager
def warm(client: Client, place: Place, bench: Bench) -> Iterator[tuple[Running, Records]]:
    """Run a client until it has all topics and has written its first records."""
    records = Records(place.kafka, client.topics)
    wait_until(lambda: bench.subscribed() == 0, _START_SECONDS, "the last client's end")
    with running(client, place) as program:

        def subscribed() -> bool:
            program.check()
            return bench.subscribed() >= len(SYMBOLS)

        wait_until(subscribed, _START_SECONDS, f"{client.name}'s subscription")
        time.sleep(1.0)
        bench.flow(Case("warm-up", 1_000, 1, 1_000), program, records)
        yield program, records


def compare(
    given: argparse.Namespace, place: Place, bench: Bench, clients: list[Client]
) -> dict[str, dict[str, list[Result]]]:
    """Run every case with every client, the clients in turn, round after round."""
    found: dict[str, dict[str, list[Result]]] = {
        client.name: {case.name: [] for case in cases(given)} for client in clients
    }
    for turn in range(given.rounds):
        for client in clients:
            with warm(client, place, bench) as (program, records):
                for case in cases(given):
                    result = bench.flow(case, program, records)
                    found[client.name][case.name].append(result)
                    say(f"round {turn + 1}, {client.name}, {case.name}", result)
    return found


def say(what: str, result: Result) -> None:
    """Tell a flow's result on standard error."""
    sys.stderr.write(
        f"{what}: {result.cpu_us:.1f} us CPU a trade, {result.per_second:,.0f}/s, "
        f"{result.lost:,} of {result.sent:,} lost\n"
    )


def medians(found: dict[str, dict[str, list[Result]]]) -> dict[str, dict[str, float]]:
    """Give the median CPU microseconds per trade by client and case."""
    return {
        name: {
            case: statistics.median(one.cpu_us for one in results) for case, results in by.items()
        }
        for name, by in found.items()
    }


def show(found: dict[str, dict[str, list[Result]]]) -> None:
    """Print the table; in brackets how much more CPU than ours."""
    middle = medians(found)
    names = list(next(iter(found.values())))
    table = Table("CPU us per trade", *names, "lost of all sent")
    for client, by in found.items():
        cells = [
            f"{middle[client][case]:.1f} ({middle[client][case] / middle[OURS.name][case]:.1f}x)"
            for case in names
        ]
        results = [one for some in by.values() for one in some]
        lost = f"{sum(one.lost for one in results):,} of {sum(one.sent for one in results):,}"
        table.add_row(client, *cells, lost)
    Console(width=140).print(table)


def ratios(found: dict[str, dict[str, list[Result]]]) -> dict[str, Any]:
    """Give how many times our CPU each other takes: the least of the cases, and each case."""
    middle = medians(found)
    told: dict[str, Any] = {}
    by_case = {
        name: {case: round(us / middle[OURS.name][case], 2) for case, us in by.items()}
        for name, by in middle.items()
        if name != OURS.name
    }
    for name, of_cases in by_case.items():
        told[f"cpu_ratio_vs_{name}"] = min(of_cases.values())
    rounded = {name: {case: round(us, 2) for case, us in by.items()} for name, by in middle.items()}
    return told | {"cpu_ratios": by_case, "cpu_us_per_trade": rounded}


def endure(given: argparse.Namespace, place: Place, bench: Bench) -> dict[str, Any]:
    """Send our client the sustained flow and the burst."""
    flows = {
        "sustained": (SUSTAINED_PER_SECOND, given.sustained_seconds),
        "burst": (BURST_PER_SECOND, given.burst_seconds),
    }
    told: dict[str, Any] = {"lost": 0}
    with warm(OURS, place, bench) as (program, records):
        for name, (rate, seconds) in flows.items():
            if not seconds:
                continue
            case = Case(name, rate * seconds, USUAL_PER_FRAME, rate)
            result = bench.flow(case, program, records)
            say(f"{name}, {rate:,}/s for {seconds} s", result)
            if result.lost:
                sys.stderr.write(f"{program.last_words()}\n")
            told[f"{name}_per_s"] = round(result.per_second)
            told[f"{name}_cores"] = round(result.cpu_seconds / result.seconds, 2)
            told["lost"] += result.lost
        told["rss_mib"] = round(program.rss_mib(), 1)
    return told


def soak(seconds: int, place: Place, bench: Bench) -> dict[str, Any]:
    """Send a steady flow for long and watch the memory."""
    samples: list[tuple[float, float]] = []
    over = threading.Event()
    with warm(OURS, place, bench) as (program, records):

        def watch() -> None:
            began = time.monotonic()
            while not over.wait(SOAK_SAMPLE_SECONDS):
                samples.append((time.monotonic() - began, program.rss_mib()))

        watcher = threading.Thread(target=watch)
        watcher.start()
        case = Case("soak", SOAK_PER_SECOND * seconds, USUAL_PER_FRAME, SOAK_PER_SECOND)
        try:
            result = bench.flow(case, program, records)
        finally:
            over.set()
            watcher.join()
    say(f"soak, {SOAK_PER_SECOND:,}/s for {seconds} s", result)
    settled = samples[int(len(samples) * SOAK_SETTLE_SHARE) :]
    slope, _ = statistics.linear_regression(*zip(*settled, strict=True))
    return {
        "soak_seconds": seconds,
        "rss_mib": round(samples[-1][1], 1),
        "rss_slope_mib_per_10_min": round(slope * 600, 3),
        "lost": result.lost,
    }


def main() -> None:
    """Run what was asked for."""
    given = options()
    wanted = set(filter(None, given.only.split(","))) | {OURS.name}
    clients = [
        client
        for client in CLIENTS
        if not (given.plain and client.tls_only) and (not given.only or client.name in wanted)
    ]
    with servers(plain=given.plain) as (place, bench):
        if given.soak:
            told = soak(given.soak, place, bench)
        else:
            found = compare(given, place, bench, clients) if given.rounds else {}
            lost = sum(one.lost for some in found.get(OURS.name, {}).values() for one in some)
            told = ratios(found) if found else {}
            told |= endure(given, place, bench)
            told["lost"] += lost
            if found:
                show(found)
    told["transport"] = "plain" if given.plain else "tls"
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
