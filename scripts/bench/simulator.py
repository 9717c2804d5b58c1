"""How many trades a second the simulator makes and sends on one core.

Runs `python -m cryptostream.simulator serve` with a high rate and several subscribers that count
frames, and divides the trades made by the CPU seconds that the process took: on a machine shared
with others wall time would measure the others. The last line is JSON.

    python scripts/bench/simulator.py --rate 60000 --subscribers 4 --seconds 10
"""
# ruff: noqa: INP001 - a script of its own

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "BNBUSDT", "ADAUSDT", "SUIUSDT")
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
MARK = b'"topic":"'
START_SECONDS = 60
WARM_UP_SECONDS = 2.0
UPGRADE = (
    b"GET /v5/public/spot HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


class Subscriber:
    """Counts the frames of all symbols, as cheaply as can be."""

    def __init__(self, port: int) -> None:
        self.frames = 0
        self._tail = b""
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.sendall(UPGRADE)
        topics = [f"publicTrade.{symbol}" for symbol in SYMBOLS]
        request = json.dumps({"op": "subscribe", "args": topics}).encode()
        size = len(request).to_bytes(2, "big")
        self.socket.sendall(b"\x81\xfe" + size + bytes(4) + request)

    def read(self) -> None:
        """Take what has come."""
        data = self._tail + self.socket.recv(1 << 20)
        self.frames += data.count(MARK)
        # One byte less than the mark, so that none is counted twice and none is missed.
        self._tail = data[-(len(MARK) - 1) :]


def ask(port: int, path: str) -> dict[str, Any]:
    """Get a JSON object from the simulator."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
        return dict(json.load(answer))


def cpu_seconds(pid: int) -> float:
    """Give the CPU time that a process has taken so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_SECOND


def wait_until_up(port: int) -> None:
    """Wait until the simulator answers."""
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            ask(port, "/healthz")
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return


def measure(pid: int, port: int, subscribers: list[Subscriber], seconds: float) -> dict[str, Any]:
    """Count for so many seconds; CPU time is that of the simulator alone."""
    before, cpu, began = ask(port, "/simulator/status"), cpu_seconds(pid), time.monotonic()
    frames = sum(one.frames for one in subscribers)
    by_socket = {one.socket: one for one in subscribers}
    while time.monotonic() < began + seconds:
        for ready in select.select(list(by_socket), [], [], 0.1)[0]:
            by_socket[ready].read()
    wall, cpu = time.monotonic() - began, cpu_seconds(pid) - cpu
    after = ask(port, "/simulator/status")
    made = after["made"] - before["made"]
    return {
        "subscribers": len(subscribers),
        "trades": made,
        "sent": after["sent"] - before["sent"],
        "frames": sum(one.frames for one in subscribers) - frames,
        "trades_per_s": round(made / wall),
        "cpu_share": round(cpu / wall, 3),
        "trades_per_cpu_s": round(made / cpu),
        "behind_ms": after["behind_ms"] - before["behind_ms"],
        "slow_readers": after["slow_readers"],
    }


def run(port: int, subscribers: int, rate: float, seconds: float) -> dict[str, Any]:
    """Serve, warm up and measure."""
    settings = {"PORT": port, "SYMBOLS": ",".join(SYMBOLS), "RATE": rate}
    settings |= {"SEND_BUFFER_BYTES": 64 * 1024 * 1024, "LOG_LEVEL": "ERROR"}
    env = os.environ | {f"SIMULATOR_{name}": str(value) for name, value in settings.items()}
    command = [sys.executable, "-m", "cryptostream.simulator", "serve"]
    process = subprocess.Popen(command, env=env)  # noqa: S603 - our words
    try:
        wait_until_up(port)
        readers = [Subscriber(port) for _ in range(subscribers)]
        measure(process.pid, port, readers, WARM_UP_SECONDS)
        return measure(process.pid, port, readers, seconds)
    finally:
        process.terminate()
        process.wait(20)


def main() -> int:
    """Run the benchmark; give the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=60_000)
    parser.add_argument("--subscribers", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    result = run(port, arguments.subscribers, arguments.rate, arguments.seconds)
    for name, value in result.items():
        sys.stdout.write(f"{name:22} {value:>12,}\n")
    sys.stdout.write(json.dumps(result) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
