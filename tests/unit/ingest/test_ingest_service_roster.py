"""How the service makes its roster: what it loads, and what it counts."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from random import Random
from typing import TYPE_CHECKING

from support.eventually import eventually_async

from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.service import _roster
from cryptostream.ingest.settings import IngestSettings

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

KUBECONFIG = """
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "http://127.0.0.1:9"}}]
users: [{name: test, user: {token: none}}]
contexts: [{name: test, context: {cluster: test, user: test}}]
current-context: test
"""


def test_numbered_instances_load_no_client_of_kubernetes() -> None:
    """Who is no pod pays neither its memory nor its time."""
    code = "import sys, cryptostream.ingest.__main__; sys.exit('kubernetes' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


async def test_failed_calls_about_leases_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An API server out of reach shows in a metric, by what was asked of it."""
    path = tmp_path / "kubeconfig"
    path.write_text(KUBECONFIG)
    monkeypatch.setenv("POD_NAME", "pod-a")
    monkeypatch.setenv("POD_NAMESPACE", "test")
    metrics = Metrics()
    settings = IngestSettings(coordination="lease", kubeconfig=str(path))
    running = asyncio.create_task(_roster(settings, Random(1), metrics).run())

    def failures(verb: str) -> float | None:
        return metrics.registry.get_sample_value(
            "cryptostream_ingest_lease_failures_total", {"verb": verb}
        )

    async def both_failed() -> bool:
        return bool(failures("renew") and failures("look"))

    await eventually_async(both_failed, within=20)
    running.cancel()
    await asyncio.wait([running])
