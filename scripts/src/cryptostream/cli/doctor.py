"""What a machine must have; each thing that is missing comes with its remedy."""

from __future__ import annotations

import os
import resource
import shutil
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from cryptostream.cli.artifacts import ELASTICSEARCH
from cryptostream.cli.errors import CliError
from cryptostream.cli.jdk import find_jdk

if TYPE_CHECKING:
    from collections.abc import Mapping

_GB: Final = 1e9
MIN_CPUS: Final = 2
#: The stack stays below 4 GB; the rest is for the page cache and this command.
MIN_MEMORY_GB: Final = 4.5
#: The largest archive, what is unpacked of it, and the other downloads.
MIN_CACHE_GB: Final = 2.5
#: An hour of trades at 1,000 a second, in Kafka and in Elasticsearch.
MIN_STATE_GB: Final = 2.0
MIN_FILES: Final = 4096
MIN_PYTHON: Final = (3, 11)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `remedy` is empty where all is well."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


def _amount(number: float) -> str:
    return f"{number:.0f}" if number == int(number) else f"{number:.1f}"


def at_least(name: str, have: float, need: float, unit: str, remedy: str) -> Check:
    """Check an amount against what is needed."""
    ok = have >= need
    detail = f"{_amount(have)} {unit}" + ("" if ok else f", {_amount(need)} needed")
    return Check(name, ok, detail, "" if ok else remedy)


def examine(ports: Mapping[int, str], cache: Path, home: Path) -> list[Check]:
    """Look at this machine; `ports` names what will listen on which."""
    version = sys.version_info
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    unlimited = files == resource.RLIM_INFINITY
    return [
        at_least(
            "python",
            version[0] + version[1] / 100,
            MIN_PYTHON[0] + MIN_PYTHON[1] / 100,
            "(major.minor)",
            "Run `make setup` with Python 3.11 or newer.",
        ),
        at_least("cpu", os.cpu_count() or 1, MIN_CPUS, "cores", "Use a machine with more cores."),
        at_least(
            "memory",
            available_memory() / _GB,
            MIN_MEMORY_GB,
            "GB available",
            "Close other programs, or use a machine with more memory.",
        ),
        *_disks(cache, home),
        _jdk(),
        at_least(
            "open files",
            MIN_FILES if unlimited else files,
            MIN_FILES,
            "at most",
            f"Raise the hard limit: `ulimit -Hn {MIN_FILES}` as root.",
        ),
        *(_port(port, name) for port, name in ports.items()),
    ]


def available_memory() -> float:
    """Give the bytes that can still be had, here and in the control group we are in."""
    free = float(psutil.virtual_memory().available)
    group = Path("/sys/fs/cgroup")
    try:
        limit = float((group / "memory.max").read_text())
        return min(free, limit - float((group / "memory.current").read_text()))
    except (OSError, ValueError):
        return free


def _disks(cache: Path, home: Path) -> list[Check]:
    fetched = (cache / ELASTICSEARCH.directory).is_dir()
    wanted = {"run": (home, MIN_STATE_GB)} | ({} if fetched else {"cache": (cache, MIN_CACHE_GB)})
    return [
        at_least(
            f"disk for the {what}",
            shutil.disk_usage(_existing(path)).free / _GB,
            need,
            f"GB free at {path}",
            f"Make room, or set CRYPTOSTREAM_{'STATE' if what == 'run' else 'CACHE'}_DIR.",
        )
        for what, (path, need) in wanted.items()
    ]


def _existing(path: Path) -> Path:
    return next(part for part in (path, *path.parents) if part.exists())


def _jdk() -> Check:
    try:
        jdk = find_jdk()
    except CliError as error:
        return Check("jdk", ok=False, detail=error.problem, remedy=error.remedy)
    return Check("jdk", ok=True, detail=f"{jdk.version} at {jdk.home}")


def _port(port: int, name: str) -> Check:
    holder = port_holder(port)
    if holder is None:
        return Check(f"port {port}", ok=True, detail=f"free for {name}")
    return Check(
        f"port {port}",
        ok=False,
        detail=f"wanted for {name}, in use by {holder}",
        remedy="Stop that program, or take other ports with --free-ports.",
    )


def port_holder(port: int) -> str | None:
    """Name the program that listens on a port of this machine; None if nobody does."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS tells only root
        return None
    for one in connections:
        if one.status == psutil.CONN_LISTEN and one.laddr and one.laddr[1] == port:
            return _program(one.pid)
    return None


def _program(pid: int | None) -> str:
    try:
        return f"{psutil.Process(pid).name()} (pid {pid})" if pid else "another user's program"
    except psutil.Error:
        return f"pid {pid}"


def require_sound(checks: list[Check]) -> None:
    """Raise `CliError` with everything that is amiss."""
    bad = [check for check in checks if not check.ok]
    if bad:
        raise CliError(
            "; ".join(f"{check.name}: {check.detail}" for check in bad),
            " ".join(dict.fromkeys(check.remedy for check in bad)),
        )


def as_json(checks: list[Check]) -> dict[str, Any]:
    """Render the checks for machines."""
    return {"ok": all(check.ok for check in checks), "checks": [asdict(item) for item in checks]}
