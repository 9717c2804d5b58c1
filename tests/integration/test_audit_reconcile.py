"""The daily reconciliation: a served dump against a real Elasticsearch, filled in through Kafka."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
import threading
import uuid
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from support.documents import trade, write
from support.kafka_topics import TopicReader

from cryptostream.contracts.trade import Trade, decode_trade

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAY, DAY_MS = "2026-11-22", 1_795_305_600_000
HEADER = "id,timestamp,price,volume,side,rpi"
Fields = tuple[int, str, str, str]


@pytest.fixture
def dumps_url(tmp_path: Path) -> Iterator[str]:
    """Serve the test's folder as the exchange serves its dumps."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def handler(*arguments: Any) -> Quiet:
        return Quiet(*arguments, directory=str(tmp_path))

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def exchange(kafka_bootstrap: str) -> str:
    """Give an exchange that no other test knows, with its topic."""
    name = f"x{uuid.uuid4().hex[:8]}"
    admin = AdminClient({"bootstrap.servers": kafka_bootstrap})
    admin.create_topics([NewTopic(f"{name}-trades", 1, 1)])[f"{name}-trades"].result(30)
    return name


@pytest.fixture
def reconcile(
    dumps_url: str, exchange: str, kafka_bootstrap: str, elasticsearch_url: str
) -> Callable[..., tuple[int, dict[str, Any]]]:
    """Give the command: it takes arguments and gives its status and its JSON."""
    env = os.environ | {
        "AUDIT_DUMPS_URL": dumps_url,
        "AUDIT_EXCHANGE": exchange,
        "KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap,
        "ELASTICSEARCH_URL": elasticsearch_url,
    }

    def run(*arguments: str) -> tuple[int, dict[str, Any]]:
        command = [sys.executable, "-m", "cryptostream.audit", "reconcile", "--json"]
        ended = subprocess.run(
            [*command, "--day", DAY, *arguments],
            env=env,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert ended.stdout, ended.stderr.decode()
        return ended.returncode, json.loads(ended.stdout.splitlines()[-1])

    return run


def market(count: int, *, seed: int = 5) -> list[Fields]:
    """Make a day of trades of which many are equal in all that a dump knows."""
    rng = random.Random(seed)
    rows = [
        (
            DAY_MS + rng.randrange(count // 2) * 1_000,
            f"{rng.choice([100.5, 100.25])}0",
            rng.choice(["0.5", "1"]),
            rng.choice(["buy", "sell"]),
        )
        for _ in range(count)
    ]
    return sorted(rows)


def serve_dump(folder: Path, symbol: str, rows: list[Fields]) -> None:
    """Write the dump of a symbol where the server finds it."""
    lines = [HEADER] + [
        f"{number},{time},{price},{volume},{side},0"
        for number, (time, price, volume, side) in enumerate(rows, start=1)
    ]
    file = folder / "spot" / symbol / f"{symbol}_{DAY}.csv.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(gzip.compress("\n".join(lines).encode() + b"\n"))


def documents(exchange: str, symbol: str, rows: list[Fields]) -> list[dict[str, Any]]:
    """Give the documents of trades as the stream writes them."""
    return [
        trade(
            symbol, number, time, price=float(price), size=float(size), side=side, exchange=exchange
        )
        for number, (time, price, size, side) in enumerate(rows)
    ]


def as_document(found: Trade) -> dict[str, Any]:
    """Give the document that the stream would write of a trade."""
    changes = {"price": float(found.price), "size": float(found.size), "side": found.side}
    return trade(
        found.symbol,
        0,
        found.trade_time,
        trade_id=found.trade_id,
        exchange=found.exchange,
        origin=found.origin,
        **changes,
    )


def test_what_is_missing_is_found_filled_in_and_whole_then(
    reconcile: Callable[..., tuple[int, dict[str, Any]]],
    exchange: str,
    kafka_bootstrap: str,
    elasticsearch_url: str,
    tmp_path: Path,
) -> None:
    """Of more trades than a page the missing ones are told; filling in twice is like once."""
    rows = market(6_000)
    cut = set(random.Random(1).sample(range(len(rows)), 250))
    serve_dump(tmp_path, "AUSDT", rows)
    serve_dump(tmp_path, "BUSDT", rows[:50])
    kept = [row for number, row in enumerate(rows) if number not in cut]
    write(elasticsearch_url, documents(exchange, "AUSDT", kept))
    write(elasticsearch_url, documents(exchange, "BUSDT", rows[:50]))
    status, said = reconcile()
    assert (status, said["whole"]) == (1, False)
    assert (said["missing"], said["matched"], said["extra"]) == (250, 5_800, 0)
    topic = TopicReader(kafka_bootstrap, f"{exchange}-trades")
    assert reconcile("--fill")[1]["filled"] == 250
    first = {decode_trade(message.value() or b"") for message in topic.read()}
    assert reconcile("--fill")[1]["filled"] == 250
    both = [decode_trade(message.value() or b"") for message in topic.read()]
    topic.close()
    assert len(both) == 500
    assert {one.trade_id for one in both} == {one.trade_id for one in first}
    assert {one.origin for one in both} == {"dump"}
    write(elasticsearch_url, [as_document(one) for one in both])
    status, said = reconcile()
    assert (status, said["whole"]) == (0, True)
    assert (said["missing"], said["matched"], said["extra"]) == (0, 6_050, 0)


def test_a_symbol_without_a_dump_is_not_called_whole(
    reconcile: Callable[..., tuple[int, dict[str, Any]]],
    exchange: str,
    elasticsearch_url: str,
    tmp_path: Path,
) -> None:
    """Extra trades are told; a file that is not there or no dump is told and is no success."""
    rows = market(20)
    serve_dump(tmp_path, "AUSDT", rows[:15])
    write(elasticsearch_url, documents(exchange, "AUSDT", rows))
    serve_dump(tmp_path, "CUSDT", [(DAY_MS - 1, "1", "1", "buy")])
    status, said = reconcile("--symbols", "AUSDT,BUSDT,CUSDT")
    assert status == 1
    assert [one["status"] for one in said["symbols"]] == ["compared", "no_dump", "bad_dump"]
    assert said["extra"] == 5
    assert reconcile("--symbols", "AUSDT")[0] == 0
