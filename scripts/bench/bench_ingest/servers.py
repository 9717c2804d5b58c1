"""The exchange as a process, with its certificate and its control."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from support.servers import free_ports

from bench_ingest.certificate import write_certificate
from bench_ingest.clients import wait_until
from bench_ingest.measure import Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Exchange:
    """Where the exchange is; `folder` is for what a run leaves, and goes with it."""

    folder: Path
    certificate: Path
    port: int
    tls_port: int
    bench: Bench

    def websocket(self, *, plain: bool = False) -> str:
        """Give the URL of the stream."""
        ws, port = ("ws", self.port) if plain else ("wss", self.tls_port)
        return f"{ws}://localhost:{port}/v5/public/spot"

    @property
    def rest(self) -> str:
        """Give the base URL of REST; plain, since pybit trusts no certificate but the usual."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def running_exchange() -> Iterator[Exchange]:
    """Run the exchange on free ports."""
    port, tls_port = free_ports(2)
    with tempfile.TemporaryDirectory(prefix="bench-ingest-") as name:
        folder = Path(name)
        certificate = folder / "certificate.pem"
        write_certificate(certificate)
        ports = ["--plain-port", str(port), "--tls-port", str(tls_port)]
        process = subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "bench_ingest.exchange", *ports, "--certificate", certificate]
        )
        bench = Bench(f"http://127.0.0.1:{port}")
        try:
            wait_until(lambda: _answers(bench), _START_SECONDS, "the exchange's start")
            yield Exchange(folder, certificate, port, tls_port, bench)
        finally:
            process.kill()
            process.wait()


def _answers(bench: Bench) -> bool:
    try:
        return bench.subscribed() >= 0
    except OSError:
        return False
