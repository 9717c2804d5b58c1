"""Everything that kills a naive client, at real ingest processes: nothing is lost silently.

With two instances no trade is missing as long as one of them listens; with one, what is missing
lies in gaps that say so. `make drill-ingest` runs also the faults that take long to be noticed.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from support.eventually import eventually
from support.ingest_drill import KILL, TERMINATE, Drill, now_ms, running_drill
from support.simulator import running_simulator

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system
#: No symbol of the pair is one of the lone instance's: in one Kafka they would cover each other.
PAIR_SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT"
LONE_SYMBOLS = "XRPUSDT,DOGEUSDT,BNBUSDT"
RATE = 200
#: After a cut all topics are back within this, in 95 of 100 cases.
CUT_SECONDS = 10.0
#: A dead connection that looks alive is found within this.
SILENCE_SECONDS = 30.0
#: New connections within 5 minutes: a fifth of what Bybit takes of an address.
CONNECTIONS = 100
#: The silence of topics is judged once their rates are known for two minutes.
KNOWN_SECONDS = 125.0


@dataclass(frozen=True)
class Case:
    """A fault: what waits for the next connection, what strikes the present one, how long.

    Attributes:
        kind: strikes the victim's connection.
        fields: of that fault.
        then: lies in wait for its successors.
        within: seconds until all topics are back.
        known: whether it is found only by symbols whose rates are known.
    """

    kind: str
    fields: dict[str, Any] = field(default_factory=dict)
    then: tuple[dict[str, Any], ...] = ()
    within: float = CUT_SECONDS
    known: bool = False

    def __str__(self) -> str:
        details = [str(value) for value in self.fields.values()]
        for one in self.then:
            details += [str(one["kind"]), str(one.get("status", ""))]
        return "-".join(part for part in [self.kind, *details] if part)


CUTS = (
    Case("close", {"code": 1000}),
    Case("close", {"code": 1001}),
    Case("close", {"code": 1006}),
    Case("close", {"code": 1012}),
    Case("reset"),
)
REFUSED_UPGRADE = {"kind": "refuse_upgrade", "status": 503, "count": 2}
QUICK = (
    *CUTS,
    Case("reset", then=(REFUSED_UPGRADE,), within=20.0),
    Case("close", then=({"kind": "late_ack", "delay_ms": 1500, "count": 1},)),
    Case("close", then=({"kind": "early_ack", "delay_ms": 1500, "count": 1},)),
)
#: Not before the deadline of an answer, and the pauses that the exchange's refusals ask for.
SLOW = (
    Case("half_open", within=SILENCE_SECONDS + CUT_SECONDS),
    Case("close", then=({"kind": "no_ack", "count": 1},), within=30.0),
    Case("close", then=({"kind": "refuse_upgrade", "status": 429, "count": 1},), within=90.0),
    Case("close", then=({"kind": "refuse_upgrade", "status": 403, "count": 1},), within=90.0),
    Case("stall", within=SILENCE_SECONDS + CUT_SECONDS, known=True),
)
CASES = [
    *(pytest.param(case, id=str(case)) for case in QUICK),
    *(pytest.param(case, id=str(case), marks=pytest.mark.drill) for case in SLOW),
]


@dataclass
class Stack:
    """A drill with the times that its cuts took."""

    drill: Drill
    calm_since: float = field(default_factory=time.monotonic)
    cuts: list[float] = field(default_factory=list)
    known: list[str] = field(default_factory=list)

    def eldest(self) -> str:
        """Give the connection that is known longest, so that the instances take turns."""
        live = self.drill.connections()
        self.known = [one for one in self.known if one in live]
        self.known += [one for one in live if one not in self.known]
        return self.known[0]

    def suffer(self, case: Case, victim: str) -> tuple[int, int]:
        """Let the case happen to a connection; give from when to when, epoch milliseconds."""
        if case.known:
            self.learn()
        struck = now_ms()
        for trap in case.then:
            self.drill.strike(**trap)
        self.drill.strike(case.kind, connections=[victim], **case.fields)
        taken = self.drill.recovered([victim], within=case.within)
        back = now_ms()
        self.calm_since = time.monotonic()
        sys.stdout.write(f"{case}: all topics back after {taken:.2f} s\n")
        if case in CUTS:
            self.cuts.append(taken)
        return struck, back

    def learn(self) -> None:
        """Wait until the instances know how often the symbols trade; cuts teach them nothing."""
        eventually(lambda: time.monotonic() - self.calm_since > KNOWN_SECONDS, within=KNOWN_SECONDS)

    def assert_frugal(self) -> None:
        """Hold the instances to the exchange's count of new connections."""
        assert self.drill.exchange.status()["upgrades_refused"] == 0


@pytest.fixture(scope="module")
def pair(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give two instances that read the same symbols."""
    folder = tmp_path_factory.mktemp("pair")
    with (
        running_simulator(
            folder, symbols=PAIR_SYMBOLS, rate=RATE, max_new_connections=CONNECTIONS
        ) as source,
        running_drill(kafka_bootstrap, source, folder, instances=2) as drill,
    ):
        yield Stack(drill)


@pytest.fixture(scope="module")
def lone(kafka_bootstrap: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Give one instance that reads its symbols alone."""
    folder = tmp_path_factory.mktemp("lone")
    with (
        running_simulator(
            folder, symbols=LONE_SYMBOLS, rate=RATE, max_new_connections=CONNECTIONS
        ) as source,
        running_drill(kafka_bootstrap, source, folder, instances=1) as drill,
    ):
        yield Stack(drill)


@pytest.mark.parametrize("case", CASES)
def test_what_befalls_one_of_two_instances_costs_no_trade(pair: Stack, case: Case) -> None:
    """The other one has it all, and the victim is back by itself."""
    eventually(pair.drill.whole, within=60.0)
    struck, _ = pair.suffer(case, pair.eldest())
    pair.drill.assert_nothing_is_missing(struck)
    pair.assert_frugal()


@pytest.mark.parametrize("case", CASES)
def test_what_a_lone_instance_misses_lies_in_gaps(lone: Stack, case: Case) -> None:
    """Back by itself, and each trade is in Kafka or in a gap no longer than the outage."""
    eventually(lone.drill.whole, within=60.0)
    struck, back = lone.suffer(case, lone.eldest())
    lone.drill.assert_what_is_missing_is_told(struck)
    for start, end in lone.drill.left_open(struck):
        assert struck - 3_000 <= start <= end <= back + 1_000
    lone.assert_frugal()


def test_cuts_are_healed_within_seconds(pair: Stack, lone: Stack) -> None:
    """The 95th percentile over all cuts of this module."""
    ordered = sorted(pair.cuts + lone.cuts)
    if not ordered:
        pytest.skip("no cut was drilled in this run")
    p95 = ordered[int(0.95 * (len(ordered) - 1))]
    sys.stdout.write(f"reconnect p95 of {len(ordered)} cuts: {p95:.2f} s\n")
    assert p95 <= CUT_SECONDS


@pytest.mark.parametrize("kind", ["duplicate", "malformed", "reorder"])
def test_bad_frames_cost_no_trade_and_no_connection(lone: Stack, kind: str) -> None:
    """Copies, broken copies and frames out of order, over two seconds of trades."""
    eventually(lone.drill.whole, within=60.0)
    before, struck = lone.drill.connections(), now_ms()
    lone.drill.strike(kind, seconds=2)
    eventually(lambda: not lone.drill.exchange.status()["faults"], within=10.0)
    lone.drill.assert_nothing_is_missing(struck)
    assert lone.drill.connections() == before


@pytest.mark.drill
def test_a_refused_symbol_is_told_and_costs_no_other(lone: Stack) -> None:
    """Within 15 s a metric says so; the others flow, and it is back once it is granted."""
    eventually(lone.drill.whole, within=60.0)
    (instance,), symbols = lone.drill.instances, sorted(lone.drill.symbols)
    victim, struck = lone.eldest(), now_ms()
    lone.drill.strike("refuse", symbols=symbols[:1])
    lone.drill.strike("close")
    eventually(lambda: instance.metric("refused_topics") == 1.0, within=15.0)
    assert instance.readiness()["subscribed"] == len(symbols) - 1
    lone.drill.exchange.delete("/simulator/faults")
    lone.drill.recovered([victim], within=60.0)
    lone.drill.assert_what_is_missing_is_told(struck)


@pytest.mark.drill
def test_a_silent_topic_is_found_and_healed(lone: Stack) -> None:
    """Beside lively ones, within 30 s; the connection stays, and what was missed is told."""
    eventually(lone.drill.whole, within=60.0)
    lone.learn()
    (instance,), symbol = lone.drill.instances, min(lone.drill.symbols)
    before, struck = instance.metric("silences_total"), now_ms()
    lone.drill.strike("silent", symbols=[symbol])
    eventually(lambda: instance.metric("silences_total") > before, within=SILENCE_SECONDS)
    sys.stdout.write(f"silent topic found after {(now_ms() - struck) / 1000:.1f} s\n")
    lone.drill.exchange.delete("/simulator/faults")
    eventually(lambda: instance.metric("silent_symbols") == 0.0, within=SILENCE_SECONDS)
    lone.drill.assert_what_is_missing_is_told(struck)


@pytest.mark.drill
def test_a_maintenance_break_is_outlasted(pair: Stack) -> None:
    """All connections end and none is let in for a while; then each instance is back."""
    eventually(pair.drill.whole, within=60.0)
    lost, struck = pair.drill.connections(), now_ms()
    pair.drill.strike("maintenance", seconds=10)
    pair.drill.recovered(lost, within=60.0)
    pair.drill.assert_what_is_missing_is_told(struck)


@pytest.mark.parametrize("number", [KILL, TERMINATE])
def test_the_end_of_one_of_two_instances_costs_no_trade(pair: Stack, number: int) -> None:
    """Killed or asked to go, under load; its successor listens to all again."""
    eventually(pair.drill.whole, within=60.0)
    victim = pair.drill.instances[1]
    before, struck = pair.drill.connections(), now_ms()
    status = victim.end(number)
    eventually(lambda: len(pair.drill.connections()) == 1, within=10.0)
    victim.start()
    eventually(pair.drill.whole, within=60.0)
    assert status == (0 if number == TERMINATE else -KILL)
    assert set(pair.drill.connections()) != set(before)
    pair.drill.assert_nothing_is_missing(struck)


def test_a_restart_of_a_lone_instance_is_told(lone: Stack) -> None:
    """SIGTERM under load leaves nothing behind, and what nobody heard meanwhile is a gap."""
    eventually(lone.drill.whole, within=60.0)
    struck = now_ms()
    instance = lone.drill.instances[0]
    assert instance.end(TERMINATE) == 0
    assert instance.events()[-1]["left_behind"] == 0
    instance.start()
    eventually(lone.drill.whole, within=60.0)
    lone.drill.assert_what_is_missing_is_told(struck)
