"""What one run is to be: decided once, before anything starts."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from cryptostream.cli.component import Account
    from cryptostream.cli.jdk import Jdk

Feed = Literal["bybit", "sim", "file"]


@dataclass(frozen=True)
class Ports:
    """Where the components listen; ingest shard i takes `ingest + i`."""

    kafka: int = 19092
    kafka_controller: int = 19093
    elasticsearch: int = 19200
    elasticsearch_transport: int = 19300
    simulator: int = 18080
    predictor: int = 13000
    ingest: int = 19101
    stream: int = 19110
    board: int = 18000
    scoreboard: int = 19140
    alerts: int = 19130
    alerts_webhook: int = 19131
    metrics: int = 19100


@dataclass(frozen=True, slots=True)
class Market:
    """Which trades flow.

    Attributes:
        feed: where they come from.
        symbols: names separated by commas; empty for all there are.
        files: recorded trades, for the feed `file`.
        rate: the simulator's mean trades per second over all symbols, at speed 1.
        speed: how much faster than real time the simulator runs.
        seed: of the simulator.
    """

    feed: Feed = "sim"
    symbols: str = ""
    files: tuple[Path, ...] = ()
    rate: float = 100.0
    speed: float = 1.0
    seed: int = 1

    @property
    def is_simulated(self) -> bool:
        """Tell whether our simulator plays the exchange."""
        return self.feed != "bybit"


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that the stack is made from; `home` holds the run's files.

    `bootstrap` and `elasticsearch_url` are set where servers of the user's own are used.
    """

    home: Path
    python: str
    jdk: Jdk
    connector_jars: Path
    market: Market
    kafka_jars: Path | None = None
    elasticsearch_home: Path | None = None
    account: Account | None = None
    bootstrap: str = ""
    elasticsearch_url: str = ""
    shards: int = 1
    ports: Ports = field(default_factory=Ports)

    @property
    def kafka_address(self) -> str:
        """Give the address of the Kafka that is used."""
        return self.bootstrap or f"127.0.0.1:{self.ports.kafka}"

    @property
    def search_url(self) -> str:
        """Give the URL of the Elasticsearch that is used."""
        return self.elasticsearch_url or f"http://127.0.0.1:{self.ports.elasticsearch}"

    @property
    def simulator_url(self) -> str:
        """Give the URL of the simulator; empty with the real exchange."""
        return f"http://127.0.0.1:{self.ports.simulator}" if self.market.is_simulated else ""


def free_ports(shards: int) -> Ports:
    """Give ports that nothing listens on; ingest's shards get neighbouring ones."""
    first = _free_range(shards)
    names = [item.name for item in fields(Ports) if item.name != "ingest"]
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in names]
    found = {name: opened.getsockname()[1] for name, opened in zip(names, sockets, strict=True)}
    for opened in sockets:
        opened.close()
    return Ports(ingest=first, **found)


def _free_range(count: int) -> int:
    """Find `count` free ports in a row, below the range that systems hand out themselves."""
    for first in range(20_000, 30_000, count):
        opened: list[socket.socket] = []
        try:
            for port in range(first, first + count):
                opened.append(socket.create_server(("127.0.0.1", port)))  # noqa: PERF401
        except OSError:
            continue
        else:
            return first
        finally:
            for one in opened:
                one.close()
    raise OSError("no free ports between 20000 and 30000")


def listened(
    plan_ports: Ports, market: Market, shards: int, *, kafka: bool, search: bool
) -> dict[int, str]:
    """Name what will listen on which port in a run; embedded servers only where asked for."""
    ports = {
        plan_ports.predictor: "predictor",
        plan_ports.stream: "stream",
        plan_ports.board: "board",
        plan_ports.scoreboard: "scoreboard",
        plan_ports.alerts: "alerts",
        plan_ports.alerts_webhook: "alerts",
        plan_ports.metrics: "the stack's own metrics",
        **{plan_ports.ingest + shard: f"ingest-{shard}" for shard in range(shards)},
    }
    if market.is_simulated:
        ports[plan_ports.simulator] = "simulator"
    if kafka:
        ports |= {plan_ports.kafka: "kafka", plan_ports.kafka_controller: "kafka"}
    if search:
        ports |= dict.fromkeys(
            (plan_ports.elasticsearch, plan_ports.elasticsearch_transport), "elasticsearch"
        )
    return ports
