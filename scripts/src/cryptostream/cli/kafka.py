"""One Kafka broker, KRaft, on loopback: its configuration and its command."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.cli.component import Component, Probe

if TYPE_CHECKING:
    from pathlib import Path

    from cryptostream.cli.jdk import Jdk

HEAP_MB: Final = 256
MEMORY_MB: Final = 600
_CLUSTER_ID: Final = "cryptostreamOneNodeAAA"
#: Info would be a page per start; warnings are what one wants to see after a failure.
_LOG4J: Final = """\
<Configuration><Appenders><Console name="out" target="SYSTEM_OUT">
<PatternLayout pattern="%d{ISO8601} %p %c{1.} %m%n"/></Console></Appenders>
<Loggers><Root level="WARN"><AppenderRef ref="out"/></Root></Loggers></Configuration>
"""


def server_properties(port: int, controller_port: int, data: Path) -> str:
    """Render the broker's configuration: one node, loopback only, nothing replicated."""
    options = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(data),
        "num.partitions": "4",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "4",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "4",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "share.coordinator.state.topic.num.partitions": "2",
        "group.initial.rebalance.delay.ms": "0",
        "auto.create.topics.enable": "false",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.cleaner.dedupe.buffer.size": "16777216",
    }
    return "".join(f"{name}={value}\n" for name, value in options.items())


def kafka(jdk: Jdk, jars: Path, home: Path, *, port: int, controller_port: int) -> Component:
    """Describe the broker; `home` gets its configuration and data.

    `meta.properties` is what formatting the storage would write; the broker adds the rest at its
    first start, and a JVM less has to start before it. The first compiler alone is used: in the
    first minute the second one takes 10 s of CPU, as much as the broker itself.
    """
    data = home / "data"
    config = home / "server.properties"
    logging = home / "log4j2.xml"
    return Component(
        name="kafka",
        argv=(
            jdk.java, f"-Xms{HEAP_MB // 2}m", f"-Xmx{HEAP_MB}m", "-XX:+UseSerialGC",
            "-XX:TieredStopAtLevel=1", "-XX:+ExitOnOutOfMemoryError", "-XX:-UsePerfData",
            "-Djava.awt.headless=true", f"-Djava.io.tmpdir={home}",
            f"-Dlog4j2.configurationFile={logging.as_uri()}",
            "-cp", f"{jars}/*", "kafka.Kafka", str(config),
        ),
        probe=Probe("kafka", f"127.0.0.1:{port}"),
        port=port,
        cwd=home,
        directories=(home, data),
        files={
            config: server_properties(port, controller_port, data),
            logging: _LOG4J,
            data / "meta.properties": f"version=1\ncluster.id={_CLUSTER_ID}\nnode.id=1\n",
        },
        memory_mb=MEMORY_MB,
    )  # fmt: skip
