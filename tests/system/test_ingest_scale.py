"""Real ingest processes that share the symbols by leases: they come, go and die, nothing is lost.

Needs a real API server: CRYPTOSTREAM_TEST_KUBECONFIG names an administrator's kubeconfig.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest
from support.cluster import LEASE_VERBS, needs_cluster, new_namespace, role_kubeconfig
from support.eventually import eventually
from support.ingest_drill import KILL, TERMINATE, Instance, now_ms
from support.kafka_topics import TopicReader
from support.simulator import RunningSimulator, running_simulator

from cryptostream.contracts.messages import Coverage, decode
from cryptostream.contracts.topics import BYBIT_TRADES, COVERAGE
from cryptostream.contracts.trade import decode_trade
from cryptostream.simulator.instruments import UNIVERSE

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

pytestmark = [pytest.mark.system, pytest.mark.drill, needs_cluster]
RATE = 2_000
SYMBOLS = 64
REPLICAS = 2
#: A report holds until the next one is due, and a little longer.
REPORT_MS = 6_000
READY_SECONDS = 60.0
#: A lease's end, the debounce, the subscriptions, and two reports of all that.
SETTLE_SECONDS = 60.0
#: Weights are published each 30 s and take a renewal, a look and a move to come into force.
BALANCE_SECONDS = 120.0
#: The busiest instance's share of the trades by the mean of all; 1.16 with exact weights.
MAX_IMBALANCE = 1.25
DRAIN_SECONDS = 120.0


class Fleet:
    """The instances, their reports, and what Kafka has."""

    def __init__(
        self,
        exchange: RunningSimulator,
        bootstrap: str,
        common: dict[str, object],
        folder: Path,
    ) -> None:
        self.exchange = exchange
        self.symbols = frozenset(exchange.status()["listed"])
        self.live: dict[str, Instance] = {}
        self.reports: list[Coverage] = []
        self.stored: set[tuple[str, str]] = set()
        self.copies = 0
        self.pods = tuple(f"{common['POD_NAMESPACE']}-{number}" for number in range(4))
        self._common = common
        self._folder = folder
        self._coverage = TopicReader(bootstrap, COVERAGE)
        self._trades = TopicReader(bootstrap, BYBIT_TRADES)

    def start(self, *names: str) -> None:
        """Start instances, all at once."""
        for name in names:
            environment = self._common | {"POD_NAME": name}
            self.live[name] = Instance(environment, self._folder / f"{name}.log")

    def end(self, name: str, how: int) -> int:
        """End an instance; give its exit status."""
        return self.live.pop(name).end(how)

    def kill_all(self) -> None:
        """Leave no process behind."""
        for instance in self.live.values():
            instance.process.kill()
            instance.process.wait(10)
        self._coverage.close()
        self._trades.close()

    def newest(self) -> dict[str, Coverage]:
        """Give the last report of each live instance."""
        for message in self._coverage.read():
            report = decode(message.value() or b"", Coverage)
            if report.instance in self.pods:
                self.reports.append(report)
        self._coverage.messages.clear()
        return {report.instance: report for report in self.reports if report.instance in self.live}

    def is_settled(self) -> bool:
        """Tell whether everybody is ready and every symbol has just its owners."""
        newest, count = self.newest(), len(self.live)
        wanted = min(REPLICAS, count)
        assert set(newest) == set(self.live)
        for name, instance in self.live.items():
            state = instance.readiness()
            assert state["ready"], (name, state)
            assert state["members"] == count, (name, state)
        readers = [symbol for report in newest.values() for symbol in report.since]
        wrong = {s: readers.count(s) for s in self.symbols if readers.count(s) != wanted}
        assert not wrong, wrong
        return True

    def imbalance(self) -> float:
        """Give the highest load of an instance by the mean of all, by the exchange's counts."""
        trades = self.exchange.status()["symbols"]
        reports = self.newest().values()
        loads = [sum(trades[symbol] for symbol in report.since) for report in reports]
        return max(loads) / (sum(loads) / len(loads))

    def longest_hole(self, begin_ms: int, end_ms: int) -> int:
        """Give for how long at most a symbol was received by nobody, as the reports say."""
        self.newest()
        return max(_hole(symbol, self.reports, begin_ms, end_ms) for symbol in self.symbols)

    def missing(self, truth: set[tuple[str, str]]) -> set[tuple[str, str]]:
        """Take in what Kafka got meanwhile; give what it has not."""
        for message in self._trades.read(0.5):
            trade = decode_trade(message.value() or b"")
            if trade.symbol in self.symbols:
                self.copies += 1
                self.stored.add((trade.symbol, trade.trade_id))
        self._trades.messages.clear()
        return truth - self.stored


def _hole(symbol: str, reports: Sequence[Coverage], begin_ms: int, end_ms: int) -> int:
    """Give the longest time without a reader in an interval, milliseconds."""
    spans = sorted((each.since[symbol], each.time) for each in reports if symbol in each.since)
    longest, reached = 0, begin_ms
    for since, until in [*spans, (end_ms, end_ms)]:
        longest = max(longest, min(since, end_ms) - reached)
        reached = max(reached, until)
    return longest


@contextmanager
def running_exchange(folder: Path) -> Iterator[RunningSimulator]:
    """Run an exchange of many symbols, the k-th having a k-th of the first one's trades."""
    shares = [1 / rank for rank in range(1, SYMBOLS + 1)]
    known, names = len(UNIVERSE), ",".join(one.symbol for one in UNIVERSE)
    first = RATE * sum(shares[:known]) / sum(shares)
    with running_simulator(folder, symbols=names, rate=first, max_args=10) as exchange:
        for rank in range(known, SYMBOLS):
            listing = {"symbol": f"TAIL{rank}USDT", "rate": RATE * shares[rank] / sum(shares)}
            exchange.post("/simulator/symbols", json.dumps(listing).encode())
        yield exchange


@contextmanager
def running_fleet(bootstrap: str, folder: Path) -> Iterator[Fleet]:
    """Give a fleet without instances, whose pods have just the role they need."""
    with ExitStack() as stack:
        exchange = stack.enter_context(running_exchange(folder))
        namespace = stack.enter_context(new_namespace())
        common: dict[str, object] = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
            "INGEST_WS_URL": exchange.websocket,
            "INGEST_REST_URL": exchange.http,
            "INGEST_COORDINATION": "lease",
            "INGEST_REPLICAS": REPLICAS,
            "INGEST_KUBECONFIG": role_kubeconfig(namespace, folder, *LEASE_VERBS),
            "POD_NAMESPACE": namespace,
        }
        fleet = Fleet(exchange, bootstrap, common, folder)
        stack.callback(fleet.kill_all)
        yield fleet


def settle(fleet: Fleet, what: str) -> None:
    """Wait until the new members share the symbols; print how long it took."""
    begun = time.monotonic()
    eventually(fleet.is_settled, within=SETTLE_SECONDS, poll=0.2)
    took = time.monotonic() - begun
    sys.stdout.write(f"{what}: settled after {took:.1f} s, load x{fleet.imbalance():.2f} of mean\n")


def balance(fleet: Fleet, what: str) -> None:
    """Wait until the measured rates have spread the load."""
    begun = time.monotonic()
    eventually(
        lambda: fleet.is_settled() and fleet.imbalance() <= MAX_IMBALANCE,
        within=BALANCE_SECONDS,
        poll=1.0,
    )
    took = time.monotonic() - begun
    sys.stdout.write(f"{what}: load x{fleet.imbalance():.2f} of mean after {took:.1f} s more\n")


def compare(fleet: Fleet, since_ms: int) -> None:
    """Pause the exchange, and wait until Kafka has every trade made since."""
    fleet.exchange.post("/simulator/pause")
    lines = fleet.exchange.text("/simulator/ledger?all=1").splitlines()
    rows = [json.loads(line) for line in lines]
    truth = {(r["symbol"], r["trade_id"]) for r in rows if r["trade_time"] >= since_ms}
    assert {symbol for symbol, _ in truth} == fleet.symbols

    def complete() -> bool:
        missing = fleet.missing(truth)
        assert not missing, f"{len(missing)} of {len(truth)}: {sorted(missing)[:3]}"
        return True

    eventually(complete, within=DRAIN_SECONDS)
    copies = fleet.copies / len(fleet.stored)
    sys.stdout.write(f"{len(truth)} trades, 0 missing, {copies:.2f} copies of each in Kafka\n")


@pytest.mark.parametrize("first_end", [TERMINATE, KILL], ids=["sigterm", "kill-9"])
def test_one_four_two(kafka_bootstrap: str, tmp_path: Path, first_end: int) -> None:
    """1 -> 4 -> 2 processes: no symbol without a reader, no trade missing, all end with 0."""
    with running_fleet(kafka_bootstrap, tmp_path) as fleet:
        pods = fleet.pods
        fleet.start(pods[0])
        settle(fleet, "1 process")
        begin = now_ms()
        fleet.start(*pods[1:])
        settle(fleet, "4 processes")
        balance(fleet, "4 processes")
        status = fleet.end(pods[3], first_end)
        assert status == (0 if first_end == TERMINATE else -KILL)
        settle(fleet, "3 processes")
        assert fleet.end(pods[2], TERMINATE) == 0
        settle(fleet, "2 processes")
        hole = fleet.longest_hole(begin, now_ms() - REPORT_MS)
        sys.stdout.write(f"longest time that no report covers a symbol: {hole} ms\n")
        assert hole <= REPORT_MS
        compare(fleet, begin)
        assert [fleet.end(name, TERMINATE) for name in pods[:2]] == [0, 0]
