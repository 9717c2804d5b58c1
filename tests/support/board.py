"""The board as a program, for tests that look at it from outside."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx
from support.eventually import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

START_SECONDS = 60


@contextmanager
def running_board(elasticsearch_url: str, port: int, **settings: str) -> Iterator[str]:
    """Run the board against Elasticsearch; give its URL once it has asked it for the first time."""
    environment = {
        "PATH": os.environ["PATH"],
        "BOARD_PORT": str(port),
        "ELASTICSEARCH_URL": elasticsearch_url,
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
    }
    url = f"http://127.0.0.1:{port}"
    program = subprocess.Popen(
        [sys.executable, "-m", "cryptostream.board"], env=environment | settings
    )

    def is_ready() -> bool:
        assert program.poll() is None, f"the board ended with status {program.returncode}"
        try:
            health = httpx.get(f"{url}/healthz", timeout=2).json()
        except httpx.TransportError:
            return False
        return health["elasticsearch"]["ok"] is True

    try:
        eventually(is_ready, within=START_SECONDS, poll=0.2)
        yield url
    finally:
        program.terminate()
        program.wait(timeout=20)
