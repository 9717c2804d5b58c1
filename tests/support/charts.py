"""The chart's tools and what it renders; without a tool a test is skipped, saying why."""

from __future__ import annotations

import functools
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts" / "cryptostream"
PROFILES = sorted(path.name.removesuffix("-values.yaml") for path in CHART.glob("ci/*-values.yaml"))
#: Helm 3 that is built from its module believes in an old Kubernetes.
KUBERNETES = "1.37.2"
#: Below the time that pytest gives a test.
BUILD_SECONDS = 540

Objects = list[dict[str, Any]]


def tool(name: str) -> str:
    """Give the path of a tool from the PATH or the cache, building it there if need be."""
    path, why = _tool(name)
    if not path:
        pytest.skip(f"{name} can't be had: {why}")
    return path


@functools.cache
def _tool(name: str) -> tuple[str, str]:
    """Give a tool's path, or why there is none; asked once, as a build may take minutes."""
    try:
        done = subprocess.run(
            [ROOT / "scripts" / "chart-tools.sh", name],
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return "", f"it was not built within {BUILD_SECONDS} s; run make chart-tools"
    if done.returncode:
        return "", (done.stderr.strip().splitlines() or ["no reason was given"])[-1]
    return done.stdout.split()[1], ""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a tool to its end and give what it said."""
    env = {
        **os.environ,
        "HELM_CACHE_HOME": "/tmp/helm-cache",
        "HELM_CONFIG_HOME": "/tmp/helm-config",
    }
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=env,
    )


def helm_template(helm: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Render the chart as the release `demo` in the namespace `crypto`."""
    return run(
        helm, "template", "demo", CHART, "--namespace", "crypto",
        "--kube-version", KUBERNETES, *arguments,
    )  # fmt: skip


@functools.cache
def _rendered(profile: str) -> str:
    done = helm_template(tool("helm4"), "--values", str(CHART / "ci" / f"{profile}-values.yaml"))
    assert done.returncode == 0, done.stderr
    return done.stdout


def objects(profile: str) -> Objects:
    """Give the objects of a profile."""
    return [one for one in yaml.safe_load_all(_rendered(profile)) if one]
