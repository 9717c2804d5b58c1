"""The state file and the lock of a run.

`state.json` tells other commands what runs; the lock tells whether its supervisor is alive.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import psutil

from cryptostream.cli.errors import CliError
from cryptostream.cli.process import end_session

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptostream.cli.supervisor import Unit

_STATE: Final = "state.json"
_LOCK: Final = "cryptostream.lock"


def describe(unit: Unit) -> dict[str, Any]:
    """Render a unit for the state file."""
    part = unit.component
    return {
        "name": part.name,
        "state": unit.state,
        "pid": unit.pid,
        "created": _created(unit.pid),
        "port": part.port or None,
        "memory_limit_mb": part.memory_mb,
        "restarts": unit.restarts,
        "last_error": unit.last_error,
        "log": str(unit.log),
        "task": part.is_task,
    }


def write(home: Path, content: dict[str, Any]) -> None:
    """Replace the state file at once: a reader sees the old one or the new one."""
    scratch = home / f".{_STATE}"
    scratch.write_text(json.dumps(content, indent=1))
    scratch.replace(home / _STATE)


def read(home: Path) -> dict[str, Any] | None:
    """Read the state file; None if there is none that can be read."""
    try:
        content = json.loads((home / _STATE).read_text())
    except (OSError, ValueError):
        return None
    return content if isinstance(content, dict) else None


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """Hold the run's lock; raises `CliError` if another supervisor holds it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        if any(home.iterdir()) and not (home / _LOCK).exists():
            raise CliError(
                f"{home} holds other files",
                "Set CRYPTOSTREAM_STATE_DIR to a directory for this alone: a run clears it.",
            )
        file = (home / _LOCK).open("a")
    except OSError as error:
        raise CliError(
            f"{home} can't be written: {error}",
            "Set CRYPTOSTREAM_STATE_DIR to a directory of yours.",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CliError(
                f"The stack runs already ({home})",
                "See `cryptostream status`; stop it with `cryptostream down`.",
            ) from error
        yield


def is_locked(home: Path) -> bool:
    """Tell whether a supervisor is alive."""
    try:
        with (home / _LOCK).open("a") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def clear(home: Path, *keep: str) -> None:
    """Remove what a run left in its directory, all but the lock and the names to keep.

    Does nothing in a directory without the lock file: it is not a run's.
    """
    for path in home.iterdir() if (home / _LOCK).is_file() else []:
        if path.name == _LOCK or path.name in keep:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove(home: Path) -> None:
    """Remove a run's directory with all that is in it; whatever is no run's directory stays."""
    clear(home)
    (home / _LOCK).unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        home.rmdir()


def end_leftovers(content: dict[str, Any] | None) -> list[str]:
    """Kill the processes that a killed supervisor left behind; give their components' names."""
    left = []
    for item in (content or {}).get("components", []):
        pid = item.get("pid")
        if pid and _created(pid) is not None and _created(pid) == item.get("created"):
            end_session(pid)
            left.append(str(item["name"]))
    return left


def _created(pid: int | None) -> float | None:
    """Give when the process was made: with its id, that names it beyond doubt."""
    try:
        return psutil.Process(pid).create_time() if pid else None
    except psutil.Error:
        return None
