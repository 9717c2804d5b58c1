"""What each component takes, served to Prometheus and to the board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Gauge, start_http_server

from cryptostream.cli.errors import CliError
from cryptostream.contracts.metrics import RESIDENT_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

_MB = 1_000_000


class MemoryMetrics:
    """Serves `/metrics` on loopback until it is closed. Raises `CliError` if it can't."""

    def __init__(self, port: int) -> None:
        registry = CollectorRegistry()
        self._resident = Gauge(
            RESIDENT_BYTES, "Memory of a component's process tree", ["component"], registry=registry
        )
        try:
            self._server, self._thread = start_http_server(port, "127.0.0.1", registry)
        except OSError as error:
            raise CliError(
                f"port {port}, wanted for the stack's own metrics: {error.strerror}",
                "Stop what uses it, or choose other ports with --free-ports.",
            ) from error

    def show(self, sizes_mb: Mapping[str, float]) -> None:
        """Replace what is served; a component that is gone has no figure."""
        self._resident.clear()
        for name, size in sizes_mb.items():
            self._resident.labels(name).set(size * _MB)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
