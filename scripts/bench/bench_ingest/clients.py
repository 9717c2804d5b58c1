"""The four clients: how each is started and where its records go."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import psutil

from bench_ingest.frames import COINS, QUOTE, SYMBOLS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEBIBYTE: Final = 2**20
LOG_CHARS: Final = 3_000


@dataclass(frozen=True, slots=True)
class Client:
    """A program that reads trades and writes them to topics."""

    name: str
    module: str
    topics: tuple[str, ...]
    tls_only: bool = False


OURS: Final = Client("cryptostream", "cryptostream.ingest", ("bybit-trades",))
CLIENTS: Final = (
    OURS,
    Client("pybit", "bench_ingest.pybit_client", ("pybit-trades",)),
    Client(
        "cryptofeed",
        "bench_ingest.cryptofeed_client",
        tuple(f"trades-BYBIT-{coin}-{QUOTE}" for coin in COINS),
        tls_only=True,
    ),
    Client("ccxt", "bench_ingest.ccxt_client", ("ccxt-trades",)),
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the servers are; `certificate` is what the clients trust."""

    kafka: str
    websocket: str
    rest: str
    certificate: Path
    metrics_port: int
    log: Path


class Running:
    """A client's process and what it costs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self._process = process
        self._log = log
        self._ps = psutil.Process(process.pid)

    def cpu_seconds(self) -> float:
        """Give user and system time of all threads so far."""
        self.check()
        times = self._ps.cpu_times()
        return float(times.user + times.system)

    def rss_mib(self) -> float:
        """Give the resident memory."""
        self.check()
        return float(self._ps.memory_info().rss / MEBIBYTE)

    def check(self) -> None:
        """Raise `RuntimeError` with the end of its log if the process has ended."""
        if self._process.poll() is not None:
            status = self._process.returncode
            raise RuntimeError(f"a client ended with status {status}:\n{self.last_words()}")

    def last_words(self) -> str:
        """Give the end of its log."""
        return self._log.read_text(errors="replace")[-LOG_CHARS:]


@contextmanager
def running(client: Client, place: Place) -> Iterator[Running]:
    """Run a client; it ends with the block."""
    settings = {
        "KAFKA_BOOTSTRAP_SERVERS": place.kafka,
        "SSL_CERT_FILE": str(place.certificate),
        "REQUESTS_CA_BUNDLE": str(place.certificate),
        "WEBSOCKET_CLIENT_CA_BUNDLE": str(place.certificate),
        "BENCH_WS_URL": place.websocket,
        "BENCH_REST_URL": place.rest,
        "INGEST_WS_URL": place.websocket,
        "INGEST_REST_URL": place.rest,
        "INGEST_SYMBOLS": ",".join(SYMBOLS),
        "INGEST_METRICS_PORT": str(place.metrics_port),
    }
    with place.log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603 - our own modules
            [sys.executable, "-m", client.module],
            env=os.environ | settings,
            stdout=output,
            stderr=output,
        )
    try:
        yield Running(process, place.log)
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(condition: object, seconds: float, what: str) -> None:
    """Wait for a condition; raises `TimeoutError` that names it."""
    deadline = time.monotonic() + seconds
    assert callable(condition)
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what} did not happen within {seconds:.0f} s")
        time.sleep(0.1)
