"""The stream as a process of its own, on topics of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.request
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING

import psutil
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from prometheus_client.parser import text_string_to_metric_families
from support.eventually import eventually
from support.servers import free_ports

from cryptostream.cli import artifacts
from cryptostream.cli.clients import choose_client
from cryptostream.cli.fetch import fetch
from cryptostream.cli.jdk import find_jdk
from cryptostream.cli.paths import default_cache_dir
from cryptostream.contracts.trade import Trade, encode_trade

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

PARTITIONS = 2
#: On a busy machine a cold JVM takes its time.
START_SECONDS = 300
#: No predictor answers there.
NOBODY = "http://127.0.0.1:9"


class StreamEndedError(Exception):
    """The process is gone; the text is the end of its log. Nothing waits on after it."""


@dataclass
class StreamProcess:
    """One stream over one topic; the exchange's name is unique, so its documents are too."""

    bootstrap: str
    elasticsearch_url: str
    folder: Path
    predictor_url: str = NOBODY
    #: Further variables of its environment.
    settings: Mapping[str, str] = field(default_factory=dict)
    exchange: str = field(default_factory=lambda: f"x{uuid.uuid4().hex[:8]}")
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    @property
    def topic(self) -> str:
        """Name the topic that this stream reads."""
        return f"{self.exchange}-trades"

    @property
    def group(self) -> str:
        """Name the group that shows this stream's progress."""
        return f"{self.exchange}-stream"

    @property
    def log(self) -> str:
        """Give the end of the process's log."""
        return (self.folder / "stream.log").read_text(errors="replace")[-6000:]

    def create_topic(self) -> None:
        """Create the topic and wait until the broker knows it."""
        admin = AdminClient({"bootstrap.servers": self.bootstrap})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(30)

    def start(self) -> None:
        """Start the process and wait until its queries run."""
        jdk = find_jdk()
        jars = fetch(artifacts.SPARK_KAFKA, default_cache_dir(), lambda: choose_client(jdk), print)
        (self.port,) = free_ports(1)
        env = os.environ | {
            "JAVA_HOME": str(jdk.home),
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "ELASTICSEARCH_URL": self.elasticsearch_url,
            "STREAM_CHECKPOINT": str(self.folder / "checkpoint"),
            "STREAM_JARS": str(jars),
            "STREAM_METRICS_PORT": str(self.port),
            "STREAM_PREDICTOR_URL": self.predictor_url,
            "STREAM_TOPICS_PATTERN": self.topic,
            "STREAM_CONSUMER_GROUP": self.group,
            **self.settings,
        }
        with (self.folder / "stream.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "cryptostream.stream"], env=env, stdout=log, stderr=log
            )
        eventually(self._is_ready, within=START_SECONDS, poll=0.2)

    def _is_ready(self) -> bool:
        self._check()
        url = f"http://127.0.0.1:{self.port}/readyz"
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Send a signal and give the exit status."""
        assert self.process is not None
        self.process.send_signal(signal_number)
        return self.process.wait(60)

    def kill_children(self, what: str) -> int:
        """Kill the processes below it that have `what` in their command; gives their number."""
        assert self.process is not None
        killed = 0
        for child in psutil.Process(self.process.pid).children(recursive=True):
            try:
                if any(what in part for part in child.cmdline()):
                    child.kill()
                    killed += 1
            except psutil.NoSuchProcess:
                continue
        return killed

    def metric(self, name: str) -> dict[tuple[str, ...], float]:
        """Give the samples of one of the stream's metrics, by the values of their labels."""
        url = f"http://127.0.0.1:{self.port}/metrics"
        with urllib.request.urlopen(url, timeout=5) as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        return {
            tuple(sample.labels.values()): sample.value
            for family in families
            for sample in family.samples
            if sample.name == f"cryptostream_stream_{name}"
        }

    def produce(self, trades: Iterable[Trade], raw: Iterable[bytes | None] = ()) -> None:
        """Write trades, and raw values as they are, and wait for Kafka's word."""
        producer = Producer({"bootstrap.servers": self.bootstrap, "enable.idempotence": True})
        for trade in trades:
            producer.produce(self.topic, encode_trade(trade), key=trade.symbol.encode())
            producer.poll(0)
        for value in raw:
            producer.produce(self.topic, value, partition=0)
        assert producer.flush(30) == 0

    def lag(self) -> int:
        """Count the records of the topic that the stream has not committed."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": self.group})
        try:
            asked = [TopicPartition(self.topic, number) for number in range(PARTITIONS)]
            done = consumer.committed(asked, timeout=10)
            ends = [consumer.get_watermark_offsets(item, timeout=10)[1] for item in asked]
        finally:
            consumer.close()
        return sum(end - max(0, item.offset) for end, item in zip(ends, done, strict=True))

    def drained(self) -> bool:
        """Tell whether the stream has settled all that the topic holds."""
        self._check()
        return self.lag() == 0

    def _check(self) -> None:
        """Raise `StreamEndedError` if the process has ended."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise StreamEndedError(self.log)


@contextmanager
def running_stream(
    bootstrap: str,
    elasticsearch_url: str,
    folder: Path,
    *,
    predictor_url: str = NOBODY,
    settings: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[StreamProcess]:
    """Run a stream over a topic of its own; whatever became of it, it is gone afterwards."""
    process = StreamProcess(bootstrap, elasticsearch_url, folder, predictor_url, settings)
    process.create_topic()
    try:
        process.start()
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)
