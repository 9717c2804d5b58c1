"""`cryptostream feed` against a real Kafka, and against none."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from uuid import uuid4

import pytest
from confluent_kafka import Producer
from support.servers import free_ports

from cryptostream.cli.coverage_kafka import Watch
from cryptostream.cli.errors import CliError
from cryptostream.contracts.messages import Coverage, Gap, encode
from cryptostream.contracts.topics import BYBIT_TRADES, COVERAGE, GAPS


def tell(bootstrap: str, instance: str) -> None:
    """Write a report and a gap of an instance, a message of no use, and three records."""
    now = time.time_ns() // 1_000_000
    report = Coverage("bybit", "spot", instance, now, {"AUSDT": now - 5_000}, {"AUSDT": 1.5})
    gap = Gap(
        gap_id=f"bybit:spot:AUSDT:{instance}:{now - 9_000}:closed",
        exchange="bybit",
        category="spot",
        symbol="AUSDT",
        from_time=now - 9_000,
        to_time=now - 6_000,
        cause="closed",
        state="open",
        shard=instance,
        recorded_time=now,
        repaired_from=now - 6_000,
    )
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(COVERAGE, encode(report), instance)
    producer.produce(COVERAGE, b"nonsense", instance)
    producer.produce(GAPS, encode(gap))
    for _ in range(3):
        producer.produce(BYBIT_TRADES, b"{}")
    assert producer.flush(30) == 0


def test_the_command_shows_what_was_told(kafka_bootstrap: str) -> None:
    """One JSON line: the instance with its symbols and gap, the topic with its records and lag."""
    instance = f"static-{uuid4().hex[:8]}"
    tell(kafka_bootstrap, instance)
    done = subprocess.run(
        [sys.executable, "-m", "cryptostream.cli", "feed", "--once", "--json"],
        env=os.environ | {"KAFKA_BOOTSTRAP_SERVERS": kafka_bootstrap},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    shown = json.loads(done.stdout)
    (ours,) = [one for one in shown["instances"] if one["name"] == instance]
    assert (ours["symbols"], ours["rate"], ours["whole_s"]) == (1, 1.5, 5.0)
    assert (ours["open_gaps"], ours["open_gap_s"]) == (1, 3.0)
    (topic,) = [one for one in shown["topics"] if one["name"] == BYBIT_TRADES]
    assert topic["records"] >= topic["lag"] >= 3
    assert topic["rate"] is not None


def test_later_looks_bring_what_came_since(kafka_bootstrap: str) -> None:
    """A watch that goes on sees new instances and forgets none."""
    first, second = f"a-{uuid4().hex[:8]}", f"b-{uuid4().hex[:8]}"
    tell(kafka_bootstrap, first)
    with Watch(kafka_bootstrap) as watch:
        assert first in {one.name for one in watch.look().instances}
        tell(kafka_bootstrap, second)
        assert {first, second} <= {one.name for one in watch.look().instances}


def test_no_kafka_is_one_clear_error() -> None:
    """It names the address and what to do."""
    (port,) = free_ports(1)
    with pytest.raises(CliError, match=rf"127.0.0.1:{port} can't be asked.*cryptostream up"):
        Watch(f"127.0.0.1:{port}")
