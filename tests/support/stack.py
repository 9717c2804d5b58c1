"""A whole pipeline in the background, which a test hurts and looks at."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.servers import open_directory

from cryptostream.cli.verify import Reconciliation, reconcile, stream_lag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COMMAND = [sys.executable, "-m", "cryptostream.cli"]


class Stack:
    """A whole pipeline in the background, on ports and in a directory of its own."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._env = os.environ | {"CRYPTOSTREAM_STATE_DIR": str(home)}

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `cryptostream` with arguments."""
        return subprocess.run(
            [*COMMAND, *arguments],
            env=self._env,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def component(self, name: str) -> dict[str, Any]:
        """Give what `status --json` says of a component."""
        told = json.loads(self.command("status", "--json").stdout)
        return next(part for part in told["components"] if part["name"] == name)

    @property
    def bootstrap(self) -> str:
        """Give the broker's address."""
        return f"127.0.0.1:{self.component('kafka')['port']}"

    def log(self, name: str) -> str:
        """Give what a component has written so far."""
        return (self._home / "logs" / f"{name}.log").read_text()

    def url(self, name: str) -> str:
        """Give the address of a component's port."""
        return f"http://127.0.0.1:{self.component(name)['port']}"

    def simulator(self, action: str) -> None:
        """Pause or resume the exchange."""
        url = f"{self.url('simulator')}/simulator/{action}"
        urllib.request.urlopen(urllib.request.Request(url, method="POST"), timeout=10).close()

    def documents(self) -> int:
        """Count the trade documents."""
        with Elasticsearch(self.url("elasticsearch")) as client:
            return int(client.count(index="crypto-trades-*")["count"])

    def kill(self, name: str) -> None:
        """Kill a component's process with SIGKILL, and wait until its successor is well."""
        before = self.component(name)
        os.kill(before["pid"], signal.SIGKILL)
        killed = time.monotonic()

        def is_back() -> bool:
            now = self.component(name)
            return now["state"] == "well" and now["pid"] not in {0, None, before["pid"]}

        eventually(is_back, within=120, poll=0.5)
        sys.stdout.write(f"{name} was back after {time.monotonic() - killed:.1f} s\n")

    def more(self, count: int) -> None:
        """Wait until so many more documents are there."""
        goal = self.documents() + count
        eventually(lambda: self.documents() >= goal, within=120, poll=0.5)

    @contextmanager
    def drained(self) -> Iterator[Reconciliation]:
        """Pause the exchange, let everything arrive, and compare; then go on."""
        bootstrap = self.bootstrap
        ledger = f"{self.url('simulator')}/simulator/ledger"
        self.simulator("pause")
        try:
            eventually(lambda: stream_lag(bootstrap) == 0, within=120, poll=0.5)
            with (
                Elasticsearch(self.url("elasticsearch")) as client,
                urllib.request.urlopen(ledger, timeout=30) as lines,
            ):
                yield reconcile(
                    bootstrap=bootstrap, elasticsearch=client, ledger=lines, start_offsets={}
                )
        finally:
            self.simulator("resume")


@contextmanager
def running_stack(rate: float) -> Iterator[Stack]:
    """Run one over a simulated exchange of so many trades a second; it leaves nothing behind."""
    with open_directory() as home:
        stack = Stack(home / "state")
        started = stack.command("up", "--feed", "sim", "--rate", str(rate), "--free-ports")
        assert started.returncode == 0, started.stdout + started.stderr
        try:
            yield stack
        finally:
            stopped = stack.command("down")
        assert stopped.returncode == 0, stopped.stdout + stopped.stderr
        assert not (home / "state").exists()
