"""Callers of the predictor over plain sockets: as little of the client's own time as can be."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final

_END: Final = b"\r\n\r\n"


@dataclass(slots=True)
class Timings:
    """What one run measured: each call's seconds, and the answers that weren't 200."""

    seconds: list[float] = field(default_factory=list)
    refused: int = 0


def request(path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """Write a request, which a caller sends again and again on one connection."""
    lines = [f"POST {path} HTTP/1.1", "host: bench", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + _END + body


async def call(port: int, raw: bytes, *, callers: int, seconds: float) -> Timings:
    """Keep so many callers busy, each sending its next call when the last one is answered."""
    timings = Timings()
    until = time.perf_counter() + seconds
    await asyncio.gather(*(_caller(port, raw, until, timings) for _ in range(callers)))
    return timings


async def _caller(port: int, raw: bytes, until: float, timings: Timings) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (started := time.perf_counter()) < until:
        writer.write(raw)
        await writer.drain()
        head = await reader.readuntil(_END)
        await reader.readexactly(_length(head))
        timings.seconds.append(time.perf_counter() - started)
        timings.refused += not head.startswith(b"HTTP/1.1 200")
    writer.close()
    await writer.wait_closed()


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.split(b":")[1])
    raise ValueError(f"an answer without a length: {head[:200]!r}")
