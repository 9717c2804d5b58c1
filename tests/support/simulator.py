"""A simulated exchange as a process of its own, and plain requests to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from support.eventually import eventually
from support.servers import free_ports

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "cryptostream.simulator"]
STARTS_WITHIN_SECONDS = 60


@dataclass(frozen=True)
class RunningSimulator:
    """A simulator that answers on its port."""

    port: int
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def http(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def websocket(self) -> str:
        """The URL of its public spot stream."""
        return f"ws://127.0.0.1:{self.port}/v5/public/spot"

    def text(self, path: str, data: bytes | None = None) -> str:
        """Get a path, or post to it if there is data."""
        with urllib.request.urlopen(self.http + path, data=data, timeout=30) as answer:
            return str(answer.read().decode())

    def get(self, path: str) -> dict[str, Any]:
        """Get a path's JSON object."""
        return dict(json.loads(self.text(path)))

    def post(self, path: str, data: bytes = b"") -> dict[str, Any]:
        """Post to a path; give its JSON object."""
        return dict(json.loads(self.text(path, data)))

    def delete(self, path: str) -> dict[str, Any]:
        """Delete a path; give its JSON object."""
        request = urllib.request.Request(self.http + path, method="DELETE")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return dict(json.loads(answer.read()))

    def strike(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Let a fault act; give its number."""
        return self.post("/simulator/faults", json.dumps({"kind": kind} | fields).encode())

    def status(self) -> dict[str, Any]:
        """Give the simulator's own account."""
        return self.get("/simulator/status")

    def ledger(self) -> list[dict[str, Any]]:
        """Give every trade that it sent."""
        return [json.loads(line) for line in self.text("/simulator/ledger").splitlines()]

    def is_up(self) -> bool:
        """Tell whether it answers; fail if it has ended."""
        assert self.process.poll() is None, self.log.read_text()
        try:
            return self.get("/healthz") == {"status": "ok"}
        except OSError:
            return False


@contextmanager
def running_simulator(folder: Path, **settings: object) -> Iterator[RunningSimulator]:
    """Serve an exchange with the given `SIMULATOR_*` settings; stop it in the end."""
    (port,) = free_ports(1)
    log = folder / f"simulator-{port}.log"
    with log.open("wb") as output:
        process = start_simulator("serve", output=output, port=port, **settings)
        running = RunningSimulator(port, process, log)
        try:
            eventually(running.is_up, within=STARTS_WITHIN_SECONDS, poll=0.1)
            yield running
        finally:
            process.terminate()
            process.wait(20)


def start_simulator(
    *arguments: str, output: int | IO[bytes] = subprocess.PIPE, **settings: object
) -> subprocess.Popen[bytes]:
    """Start the command with the given arguments and `SIMULATOR_*` settings."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("SIMULATOR_")}
    env |= {f"SIMULATOR_{key.upper()}": str(value) for key, value in settings.items()}
    return subprocess.Popen([*COMMAND, *arguments], env=env, stdout=output, stderr=output)
