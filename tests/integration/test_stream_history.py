"""The history job as its command runs it: real Kafka, Elasticsearch and Spark."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from support import documents
from support.past_market import RANGE_MS, STEP_MS, expected_history, make_past, range_start

from cryptostream.contracts.trade import encode_trade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptostream.contracts.trade import Trade

WINDOWS = ("5m", "1h")
#: Its own Spark, on a machine that may be busy.
RUN_SECONDS = 240
Key = tuple[str, str, int]


class Asked(NamedTuple):
    """What a run of the command said: exit status, standard output and standard error."""

    status: int
    out: str
    err: str

    @property
    def run(self) -> str:
        """Name the run."""
        return self.out.split()[-1]


class Past:
    """One exchange's trades of the last hours, and the command over them."""

    def __init__(self, bootstrap: str, url: str) -> None:
        self.bootstrap, self.url = bootstrap, url
        self.exchange = f"x{uuid.uuid4().hex[:8]}"
        name = self.exchange.upper()
        self.symbols = (f"{name}A", f"{name}B")
        self.start = range_start()
        self.trades = make_past(self.exchange, self.symbols, self.start, 1_200)

    def ask(self, *options: str, **changes: str) -> Asked:
        """Run the command; `changes` are options that replace the usual ones."""
        usual = {
            "from": _utc(self.start),
            "to": _utc(self.start + RANGE_MS),
            "step": f"{STEP_MS // 60_000}m",
            "windows": ",".join(WINDOWS),
            "symbols": ",".join(self.symbols),
            "reference": self.symbols[0],
        }
        asked = [f"--{name}={value}" for name, value in {**usual, **changes}.items()]
        env = os.environ | {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "ELASTICSEARCH_URL": self.url,
            "HISTORY_TOPICS_PATTERN": f"{self.exchange}-trades",
            "HISTORY_TASKS": "2",
        }
        command = [sys.executable, "-m", "cryptostream.cli", "history", *asked, *options]
        done = subprocess.run(
            command, env=env, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )
        return Asked(done.returncode, done.stdout, done.stderr)

    def written(self, run: str) -> dict[str, dict[str, Any]]:
        """Give a run's documents with their version, by id."""
        client = Elasticsearch(self.url)
        client.indices.refresh(index="crypto-history-*")
        query = {"query": {"term": {"run": run}}, "version": True}
        return {
            hit["_id"]: {**hit["_source"], "_version": hit["_version"]}
            for hit in scan(client, index="crypto-history-*", query=query)
        }

    def check(self, run: str) -> None:
        """Hold a run's documents against the plain computation."""
        expected = expected_history(self.trades, self.start, WINDOWS, self.symbols[0])
        found = self.written(run).values()
        assert len(found) == len(expected)
        for one in found:
            wanted = expected[one["symbol"], one["window"], one["time"]]
            told = {name: value for name, value in one.items() if name in wanted}
            assert told == pytest.approx(wanted, rel=1e-9, abs=1e-7), one
            assert ("correlation" in one) == ("correlation" in wanted)


def _utc(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1_000, UTC).strftime("%Y-%m-%dT%H:%M")


@pytest.fixture
def past(kafka_bootstrap: str, elasticsearch_url: str) -> Past:
    """Give an exchange of the test's own."""
    return Past(kafka_bootstrap, elasticsearch_url)


def _store(past: Past) -> None:
    stored = [
        documents.trade(
            one.symbol, one.seq, one.trade_time, exchange=past.exchange, trade_id=one.trade_id,
            price=float(one.price), size=float(one.size), side=one.side,
        )
        for one in past.trades
    ]  # fmt: skip
    documents.write(past.url, stored)


def _produce(past: Past, records: Iterable[tuple[int, bytes]]) -> None:
    topic = f"{past.exchange}-trades"
    admin = AdminClient({"bootstrap.servers": past.bootstrap})
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": past.bootstrap})
    for number, (time_ms, value) in enumerate(records):
        producer.produce(topic, value, partition=number % 2, timestamp=time_ms)
    assert producer.flush(30) == 0


def _record(trade: Trade) -> tuple[int, bytes]:
    return trade.ingest_time, encode_trade(trade)


def _is_told(asked: Asked, past: Past) -> None:
    """Hold what the command printed against what it had to do."""
    assert asked.status == 0, asked.err
    for phase in ("reading trades", "reading the reference", "computing and writing"):
        last = re.findall(rf"^{phase}: (\d+)/(\d+) tasks$", asked.err, re.MULTILINE)[-1]
        assert last[0] == last[1] != "0", asked.err
    known = [one for one in past.trades if one.trade_time < past.start + RANGE_MS]
    count = len(past.symbols) * len(WINDOWS) * (RANGE_MS // STEP_MS)
    assert asked.out.startswith(f"{count} documents of 2 symbols from "), asked.out
    assert int(asked.out.split()[6]) >= len(known)


def test_elasticsearchs_past_is_told_and_told_again(past: Past) -> None:
    """The documents are those of a plain computation; a second run overwrites each with itself."""
    _store(past)
    first = past.ask()
    _is_told(first, past)
    past.check(first.run)
    before = past.written(first.run)
    again = past.ask()
    assert (again.status, again.out) == (0, first.out)
    after = past.written(first.run)
    assert after.keys() == before.keys()
    assert {one["_version"] for one in after.values()} == {2}
    past.check(first.run)


def test_kafkas_past_counts_each_trade_once(past: Past) -> None:
    """Copies and records that are no trades change nothing."""
    copies = [_record(one) for one in past.trades[::7]]
    garbage = [(past.start, b"{no trade}"), (past.start, b"")]
    _produce(past, [*map(_record, past.trades), *copies, *garbage])
    asked = past.ask(source="kafka")
    _is_told(asked, past)
    past.check(asked.run)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"to": "2021-01-01T00:00"}, "the range is empty"),
        ({"from": "yesterday"}, "--from was 'yesterday'"),
        ({"from": "2021-01-01", "to": "2021-01-02", "source": "kafka"}, "Kafka holds no trades"),
    ],
)
def test_a_range_that_can_not_be_told_of_is_one_line(
    past: Past, changes: dict[str, str], said: str
) -> None:
    """Exit status 2 and the reason, before Spark starts."""
    _produce(past, [])
    asked = past.ask(**changes)
    assert (asked.status, asked.out) == (2, "")
    (line,) = asked.err.splitlines()
    assert line.startswith(f"error: {said}"), line
