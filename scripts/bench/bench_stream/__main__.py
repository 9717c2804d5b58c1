"""Run the variants: a table, and JSON as the last line (trades per second)."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench_predict.model import make
from elasticsearch import Elasticsearch
from support.predictor import Workshop, running_predictor
from support.servers import free_ports, running_elasticsearch, running_kafka

from bench_stream.limit import bulk_limit
from bench_stream.measure import PARTS, TOPIC, Place, Result, measure
from bench_stream.tape import fill, tape
from cryptostream.cli.setup import create_topics, put_templates
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptostream.contracts.trade import Trade

NAMES: Final = ("read_only", "bulk_limit", "plain_index", "full", "obvious")
#: Elasticsearch's own code has to be warm before anything is measured against it.
WARM_TRADES: Final = 40_000
TREES: Final = 100
DEPTH: Final = 8
_REQUEST_SECONDS: Final = 120


def options() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="bench_stream", description=__doc__)
    parser.add_argument("--trades", type=int, default=1_000_000)
    parser.add_argument("--symbols", type=int, default=400)
    parser.add_argument(
        "--per-second", type=int, default=10_000, help="density of the tape in event time"
    )
    parser.add_argument("--writers", type=int, default=2, help="bulks in flight of bulk_limit")
    parser.add_argument("--only", default=",".join(NAMES), help="variants, separated by commas")
    parser.add_argument("--profile", default="", help="file for a profile of the full variant")
    return parser.parse_args()


@contextmanager
def servers(given: argparse.Namespace) -> Iterator[tuple[Place, Elasticsearch]]:
    """Run Kafka, Elasticsearch and a predictor with a forest of the champion's shape."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-stream-") as folder,
        running_kafka() as kafka,
        running_elasticsearch() as search,
    ):
        create_topics(KafkaSettings(bootstrap_servers=kafka))
        put_templates(ElasticsearchSettings(url=search))
        workshop = Workshop(Path(folder))
        make(workshop.folder, trees=TREES, depth=DEPTH)
        (port,) = free_ports(1)
        with (
            running_predictor(workshop) as predictor,
            Elasticsearch(search, request_timeout=_REQUEST_SECONDS) as client,
        ):
            url = str(predictor.client.base_url).rstrip("/")
            yield (
                Place(kafka, search, url, Path(folder), given.trades, port, given.profile),
                client,
            )


def compare(given: argparse.Namespace, place: Place, client: Elasticsearch) -> list[Result]:
    """Run every variant that is asked for, each into empty indices."""
    end_ms = int(time.time() * 1_000)

    def trades() -> Iterator[Trade]:
        return tape(given.trades, given.symbols, given.per_second, end_ms)

    say(f"filling {TOPIC} with {given.trades:,} trades")
    fill(place.kafka, TOPIC, trades())
    bulk_limit(client, islice(trades(), WARM_TRADES), writers=given.writers)
    results = []
    for name in given.only.split(","):
        for index in client.indices.get(index="crypto-*"):
            client.indices.delete(index=index)
        if name == "bulk_limit":
            results.append(bulk_limit(client, trades(), writers=given.writers))
        else:
            results.append(measure(name, place))
        say(row(results[-1]))
    return results


def row(one: Result) -> str:
    """Render a line of the table."""
    cells = "".join(f"{one.cpu_us.get(part, 0.0):15.1f}" for part in PARTS.values())
    return f"{one.name:12}{one.per_second:12,.0f}{cells}"


def say(text: str) -> None:
    """Tell the progress."""
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Run what was asked for."""
    given = options()
    with servers(given) as (place, client):
        results = compare(given, place, client)
    head = f"{'':12}{'trades/s':>12}" + "".join(f"{part:>15}" for part in PARTS.values())
    told = json.dumps({one.name: round(one.per_second) for one in results})
    lines = [head + "   (CPU us a trade)", *map(row, results), told]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
