"""What the embedded servers are told."""

from __future__ import annotations

from pathlib import Path

from cryptostream.cli.elasticsearch import elasticsearch, elasticsearch_yml
from cryptostream.cli.jdk import Jdk
from cryptostream.cli.kafka import kafka, server_properties

JDK = Jdk(Path("/jdk"), 25)


def test_kafka_listens_on_this_machine_alone() -> None:
    """Every listener is on loopback, and no topic comes into being by a typing error."""
    lines = server_properties(1111, 2222, Path("/data")).splitlines()
    options = dict(line.split("=", 1) for line in lines)
    assert options["listeners"] == "PLAINTEXT://127.0.0.1:1111,CONTROLLER://127.0.0.1:2222"
    assert options["auto.create.topics.enable"] == "false"
    assert options["log.dirs"] == "/data"


def test_elasticsearch_listens_on_this_machine_alone() -> None:
    """Security is off, so both ports must be on loopback."""
    text = elasticsearch_yml(1111, 2222, Path("/home"))
    assert "http.host: 127.0.0.1\nhttp.port: 1111\n" in text
    assert "transport.host: 127.0.0.1\ntransport.port: 2222\n" in text
    assert "disk.threshold_enabled: false" in text


def test_heaps_are_set() -> None:
    """No JVM of ours takes a share of the host's memory."""
    broker = kafka(JDK, Path("/jars"), Path("/k"), port=1, controller_port=2)
    assert "-Xmx256m" in broker.argv
    node = elasticsearch(JDK, Path("/es"), Path("/e"), port=1, transport_port=2, account=None)
    assert "-Xms512m\n-Xmx512m\n" in node.files[Path("/e/config/jvm.options")]
    assert node.env["ES_JAVA_HOME"] == "/jdk"
