"""Memory by component, from whoever started the stack."""

from __future__ import annotations

from support.servers import free_ports

from cryptostream.board import memory
from cryptostream.cli.exposition import MemoryMetrics

SIZES_MB = {"stream": 900.5, "kafka": 300.0, "elasticsearch": 1000.0}


async def test_the_board_reads_what_the_supervisor_serves() -> None:
    """In bytes, the largest first, and only what runs now."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}/metrics"
    served = MemoryMetrics(port)
    try:
        served.show({"gone": 1.0})
        served.show(SIZES_MB)
        found = await memory.read(url)
    finally:
        served.close()
    assert list(found.items()) == [
        ("elasticsearch", 1_000_000_000), ("stream", 900_500_000), ("kafka", 300_000_000),
    ]  # fmt: skip
    assert await memory.read(url) == {}


async def test_without_an_address_there_is_nothing_to_show() -> None:
    """As on Kubernetes, where Grafana shows memory."""
    assert await memory.read("") == {}
