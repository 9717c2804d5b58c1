"""Real ingest processes at a simulated exchange, and what became of each of its trades."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from support.eventually import eventually
from support.kafka_topics import TopicReader
from support.servers import free_ports

from cryptostream.contracts.messages import Gap, decode
from cryptostream.contracts.topics import BYBIT_TRADES, GAPS
from cryptostream.contracts.trade import decode_trade

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from support.simulator import RunningSimulator

READY_SECONDS = 60.0
#: A closed gap has had its last word so long after the connection was back.
TOLD_SECONDS = 40.0
#: What a restart may take from SIGTERM to the end of the process.
STOP_SECONDS = 10.0


class Instance:
    """One ingest process, which may be ended and started again."""

    def __init__(self, environment: dict[str, object], log: Path) -> None:
        (port,) = free_ports(1)
        clean = {name: value for name, value in os.environ.items() if name[:7] != "INGEST_"}
        mine = environment | {"INGEST_METRICS_PORT": port}
        self._environment = clean | {name: str(value) for name, value in mine.items()}
        self._http = f"http://127.0.0.1:{port}"
        self._log = log
        self.process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "cryptostream.ingest"], env=self._environment, stderr=output
            )

    def start(self) -> None:
        """Start it again."""
        self.process = self._start()

    def end(self, signal_number: int) -> int:
        """Send a signal that ends it; give the exit status."""
        self.process.send_signal(signal_number)
        return self.process.wait(STOP_SECONDS)

    def readiness(self) -> dict[str, Any]:
        """Give what /readyz says; nothing if it is out of reach."""
        try:
            with urllib.request.urlopen(f"{self._http}/readyz", timeout=10) as answer:
                return dict(json.loads(answer.read()))
        except urllib.error.HTTPError as error:
            return dict(json.loads(error.read()))
        except OSError:
            return {"ready": False}

    def metric(self, name: str) -> float:
        """Read a metric's value, summed over its labels."""
        with urllib.request.urlopen(f"{self._http}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        full = f"cryptostream_ingest_{name}"
        lines = [line for line in text.splitlines() if line.startswith((full + " ", full + "{"))]
        assert lines, f"{full} is not among the metrics"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def events(self) -> list[dict[str, Any]]:
        """Give the log's lines so far."""
        lines = self._log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line[-1] == "}"]


class Drill:
    """An exchange, the instances that read it, and what Kafka has of both."""

    def __init__(
        self, exchange: RunningSimulator, instances: Sequence[Instance], bootstrap: str
    ) -> None:
        self.exchange = exchange
        self.instances = instances
        self.symbols = set(exchange.status()["listed"])
        self.stored: set[tuple[str, str]] = set()
        self.gaps: dict[str, Gap] = {}
        self._trades = TopicReader(bootstrap, BYBIT_TRADES)
        self._gaps = TopicReader(bootstrap, GAPS)

    def connections(self) -> list[str]:
        """Give the ids of the connections that listen to every symbol, the oldest first."""
        clients = self.exchange.status()["clients"]
        return [one["conn_id"] for one in clients if one["topics"] == len(self.symbols)]

    def whole(self) -> bool:
        """Tell whether each instance listens to all and says that it is ready."""
        return len(self.connections()) == len(self.instances) and all(
            instance.readiness()["ready"] for instance in self.instances
        )

    def strike(self, kind: str, **fields: Any) -> None:
        """Let something go wrong at the exchange."""
        self.exchange.strike(kind, **fields)

    def recovered(self, lost: Sequence[str], *, within: float) -> float:
        """Wait until these connections were replaced; end all faults; give the seconds taken."""
        begun = time.monotonic()
        eventually(
            lambda: len(set(self.connections()) - set(lost)) == len(self.instances), within=within
        )
        taken = time.monotonic() - begun
        self.exchange.delete("/simulator/faults")
        eventually(self.whole, within=READY_SECONDS)
        return taken

    def take_in(self) -> None:
        """Read what Kafka got meanwhile."""
        for message in self._trades.read(0.3):
            trade = decode_trade(message.value() or b"")
            if trade.symbol in self.symbols:
                self.stored.add((trade.symbol, trade.trade_id))
        for message in self._gaps.read(0.3):
            gap = decode(message.value() or b"", Gap)
            if gap.symbol in self.symbols:
                self.gaps[gap.gap_id] = gap
        self._trades.messages.clear()
        self._gaps.messages.clear()

    def truth(self, since_ms: int) -> list[dict[str, Any]]:
        """Give every trade made since, heard or not."""
        lines = self.exchange.text("/simulator/ledger?all=1").splitlines()
        rows = [json.loads(line) for line in lines]
        return [row for row in rows if row["trade_time"] >= since_ms]

    def assert_nothing_is_missing(self, since_ms: int) -> int:
        """Wait until Kafka has every trade made since; give how many those are."""
        truth = self.truth(since_ms)
        assert truth

        def complete() -> bool:
            missing = self._missing(truth)
            assert not missing, f"{len(missing)} of {len(truth)} are not in Kafka: {missing[:3]}"
            return True

        eventually(complete, within=TOLD_SECONDS)
        return len(truth)

    def assert_what_is_missing_is_told(self, since_ms: int) -> int:
        """Wait for the last word on each gap; give how many trades lie in those left open."""
        truth = self.truth(since_ms)
        assert truth

        def told() -> bool:
            missing = self._missing(truth)
            closed = self._closed()
            assert all(gap_id in closed for gap_id, gap in self.gaps.items() if _is_bad(gap))
            silent = [row for row in missing if not self._is_excused(row)]
            assert not silent, f"{len(silent)} missing ones are in no gap: {silent[:3]}"
            return True

        eventually(told, within=TOLD_SECONDS, poll=0.3)
        return len(self._missing(truth))

    def left_open(self, since_ms: int) -> list[tuple[int, int]]:
        """Give the intervals of gaps since then that nothing closed."""
        return [
            (gap.from_time, gap.repaired_from)
            for gap in self.gaps.values()
            if gap.to_time >= since_ms and _is_bad(gap)
        ]

    def close(self) -> None:
        """Leave Kafka."""
        self._trades.close()
        self._gaps.close()

    def _missing(self, truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
        self.take_in()
        return [row for row in truth if (row["symbol"], row["trade_id"]) not in self.stored]

    def _is_excused(self, row: dict[str, Any]) -> bool:
        return any(
            gap.symbol == row["symbol"]
            and gap.from_time <= row["trade_time"] <= gap.to_time
            and (gap.state == "open" or row["trade_time"] < gap.repaired_from)
            for gap in self.gaps.values()
            if _is_bad(gap)
        )

    def _closed(self) -> set[str]:
        events = [event for instance in self.instances for event in instance.events()]
        return {event["gap"] for event in events if event["event"] == "gap_closed"}


@contextmanager
def running_drill(
    bootstrap: str, exchange: RunningSimulator, folder: Path, *, instances: int
) -> Iterator[Drill]:
    """Run instances that read every symbol each, until all of them are ready."""
    with ExitStack() as stack:
        made = []
        for number in range(instances):
            environment: dict[str, object] = {
                "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
                "INGEST_WS_URL": exchange.websocket,
                "INGEST_REST_URL": exchange.http,
                "INGEST_SHARD": f"{number}/{instances}",
                "INGEST_REPLICAS": instances,
            }
            instance = Instance(environment, folder / f"ingest-{number}.log")
            stack.callback(lambda one=instance: (one.process.kill(), one.process.wait(10)))
            made.append(instance)
        drill = Drill(exchange, made, bootstrap)
        stack.callback(drill.close)
        eventually(drill.whole, within=READY_SECONDS)
        yield drill


def now_ms() -> int:
    """Give the time, epoch milliseconds."""
    return time.time_ns() // 1_000_000


def _is_bad(gap: Gap) -> bool:
    """Tell whether the gap says that trades may be missing."""
    return gap.state in {"open", "partly_repaired"}


KILL, TERMINATE = signal.SIGKILL, signal.SIGTERM
