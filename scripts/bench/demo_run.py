# ruff: noqa: INP001 - shared by the benchmarks, which are scripts
"""The whole stack as a child process, in a folder of its own and on free ports."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The demo's word at the end of what it measures, and the last of the addresses it shows.
_MEASURED: Final = "report: waiting until all that was sent is indexed"
_LAST_ADDRESS: Final = "metrics"
_ADDRESS: Final = re.compile(r"([a-z ]+): (http\S+)")


class Demo:
    """A demo that runs, in `folder`; `ended_at` is when it stopped measuring, monotonic clock."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.folder = folder
        self.ended_at = 0.0
        self._process = process
        self._urls: dict[str, str] = {}
        self._up, self._measured = Event(), Event()
        Thread(target=self._follow, daemon=True).start()

    def urls(self) -> dict[str, str]:
        """Wait until it is up; give its addresses by name, none if it ended before."""
        self._up.wait()
        return self._urls

    def wait_measured(self) -> None:
        """Wait for the end of its measurement: everything still runs."""
        self._measured.wait()

    def report(self) -> dict[str, Any]:
        """Wait for its end and give its report; raises `RuntimeError` if there is none."""
        assert self._process.stdout is not None
        lines = self._process.stdout.read().splitlines()
        status = self._process.wait()
        if not lines or not lines[-1].startswith("{"):
            raise RuntimeError(f"the demo ended with status {status} and without a report")
        told: dict[str, Any] = json.loads(lines[-1])
        return told

    def _follow(self) -> None:
        """Pass its progress on, and note what it says."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            sys.stderr.write(line)
            if found := _ADDRESS.fullmatch(line.strip()):
                self._urls[found[1]] = found[2]
            if _LAST_ADDRESS in self._urls:
                self._up.set()
            if _MEASURED in line:
                self.ended_at = time.monotonic()
                self._measured.set()
        self._up.set()
        self._measured.set()


@contextmanager
def running_demo(*words: str) -> Iterator[Demo]:
    """Run `cryptostream demo --json` with these words; ends it if the block is left early."""
    command = [sys.executable, "-m", "cryptostream.cli", "demo", "--json", "--free-ports", *words]
    with tempfile.TemporaryDirectory(prefix="demo-run-") as folder:
        # Elasticsearch runs under another account, which must be let in.
        Path(folder).chmod(0o755)
        with subprocess.Popen(  # noqa: S603 - ours
            command,
            env=os.environ | {"CRYPTOSTREAM_STATE_DIR": folder},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Demo(process, Path(folder))
            finally:
                process.terminate()
