"""The demo as a newcomer runs it: one command, one report, nothing left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import psutil
import pytest
from support.servers import open_directory

pytestmark = pytest.mark.system


def test_a_demo_ends_in_a_sound_report() -> None:
    """`demo --for 20 --json` prints one JSON report as its last line: nothing lost or doubled."""
    with open_directory() as folder:
        home = folder / "state"
        done = subprocess.run(
            [
                sys.executable, "-m", "cryptostream.cli", "demo", "--feed", "sim", "--rate", "200",
                "--shards", "2", "--for", "20", "--json", "--free-ports",
            ],
            env=os.environ | {"CRYPTOSTREAM_STATE_DIR": str(home)},
            capture_output=True, text=True, timeout=600, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-6000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["feed"] == "sim"
    assert report["sent"] == report["kafka"] == report["documents"] > 0
    assert report["lost"] == report["duplicates"] == report["dead_letters"] == 0
    assert report["candles"] > 0
    assert report["predictions"] > 0
    assert report["model"]
    assert 0 < report["latency_ms"]["p50"] <= report["latency_ms"]["p95"]
    assert report["memory_mb"]["total"] < 4096
    assert report["restarts"] == {}
    lines = (" ".join(one.info["cmdline"] or ()) for one in psutil.process_iter(["cmdline"]))
    left = [line for line in lines if str(home) in line]
    assert left == []
