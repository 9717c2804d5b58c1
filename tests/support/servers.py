"""One real Kafka and one real Elasticsearch for a test session, through the project's launchers."""

from __future__ import annotations

import shutil
import socket
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from support.eventually import eventually

from cryptostream.cli import artifacts, process
from cryptostream.cli.clients import choose_client
from cryptostream.cli.elasticsearch import elasticsearch
from cryptostream.cli.fetch import fetch
from cryptostream.cli.health import trouble
from cryptostream.cli.jdk import find_jdk
from cryptostream.cli.kafka import kafka
from cryptostream.cli.paths import default_cache_dir
from cryptostream.cli.software import elasticsearch_home

if TYPE_CHECKING:
    from collections.abc import Iterator
    from subprocess import Popen

    from cryptostream.cli.component import Component


def free_ports(count: int) -> list[int]:
    """Give ports that nothing listens on, all different."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


@contextmanager
def running_kafka() -> Iterator[str]:
    """Run a broker on free ports; give its bootstrap address."""
    jdk = find_jdk()
    jars = fetch(artifacts.KAFKA, default_cache_dir(), lambda: choose_client(jdk), _say)
    port, controller = free_ports(2)
    with (
        open_directory() as home,
        _running(kafka(jdk, jars, home, port=port, controller_port=controller), home),
    ):
        yield f"127.0.0.1:{port}"


@contextmanager
def running_elasticsearch() -> Iterator[str]:
    """Run a node on free ports; give its URL."""
    with restartable_elasticsearch() as server:
        yield server.url


class Restartable:
    """A server that a test stops and starts; its files and its address stay."""

    def __init__(self, component: Component, home: Path, url: str) -> None:
        self.url = url
        self._component, self._log = component, home / "log"
        self._process: Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        process.prepare(self._component)
        self._process = started = process.start(self._component, self._log)

        def is_well() -> bool:
            assert started.poll() is None, "\n".join(process.last_lines(self._log, 40))
            return trouble(self._component.probe) is None

        eventually(is_well, within=self._component.start_seconds, poll=0.2)

    def stop(self) -> None:
        """Stop it in an orderly way, if it runs."""
        if self._process is not None:
            process.stop(self._process, grace_seconds=15)
            self._process = None


@contextmanager
def restartable_elasticsearch() -> Iterator[Restartable]:
    """Run a node on free ports that can be stopped and started again."""
    jdk = find_jdk()
    software = elasticsearch_home(jdk, default_cache_dir(), _say)
    port, transport = free_ports(2)
    account = process.unprivileged_account()
    with open_directory() as home:
        component = elasticsearch(
            jdk, software, home, port=port, transport_port=transport, account=account
        )
        server = Restartable(component, home, f"http://127.0.0.1:{port}")
        try:
            server.start()
            yield server
        finally:
            server.stop()


@contextmanager
def open_directory() -> Iterator[Path]:
    """Give a new directory that any account may enter.

    pytest's own are closed to others, and closed again by every other run of pytest; where the
    tests run as root, Elasticsearch runs as somebody else.
    """
    home = Path(tempfile.mkdtemp(prefix="cryptostream-tests-"))
    home.chmod(0o755)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _running(component: Component, home: Path) -> Iterator[None]:
    server = Restartable(component, home, "")
    try:
        server.start()
        yield
    finally:
        server.stop()


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")
