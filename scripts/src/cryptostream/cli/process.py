"""Starting and stopping one component's process.

Each process leads a session of its own, so that what it leaves behind can be ended with it.
Only the leader is asked to stop: Spark's driver stops its JVM itself.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
from typing import TYPE_CHECKING, Any, Final

from cryptostream.cli.component import Account, Component

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

#: These would change every JVM of the stack, or make Elasticsearch complain.
_NOT_INHERITED: Final = frozenset(
    {"JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JAVA_OPTS", "ES_JAVA_OPTS"}
)
#: glibc makes up to 8 arenas per core; two keep a many-threaded process small. The fault handler
#: leaves a trace in the log when a C library takes its process down.
_COMMON: Final = {
    "MALLOC_ARENA_MAX": "2",
    "PYTHONUNBUFFERED": "1",
    "PYTHONFAULTHANDLER": "1",
}
_FIRST_ACCOUNT_TRIED: Final = "nobody"


def unprivileged_account() -> Account | None:
    """Find an account for what refuses to run as root; None if we are not root ourselves."""
    if os.geteuid() != 0:
        return None
    entries = sorted(pwd.getpwall(), key=lambda entry: entry.pw_name != _FIRST_ACCOUNT_TRIED)
    entry = next(entry for entry in entries if entry.pw_uid != 0)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def environment(component: Component, base: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Give the environment that the component runs in."""
    kept = {name: value for name, value in base.items() if name not in _NOT_INHERITED}
    return {**kept, **_COMMON, **component.env}


def prepare(component: Component) -> None:
    """Make the component's directories and files, and give them to its account."""
    for directory in component.directories:
        directory.mkdir(parents=True, exist_ok=True)
    for path, text in component.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    if component.account is not None:
        for path in (*component.directories, *component.files):
            os.chown(path, component.account.uid, component.account.gid)


def start(component: Component, log: Path) -> subprocess.Popen[bytes]:
    """Start the component; what it writes goes to the end of `log`. Raises `OSError`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    account = component.account
    options: dict[str, Any] = {}
    if account is not None:
        options = {"user": account.uid, "group": account.gid, "extra_groups": []}
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - the stack's own commands
            component.argv,
            env=environment(component),
            cwd=component.cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            **options,
        )


def ask_to_stop(pid: int) -> None:
    """Send SIGTERM to a process, which may be gone already."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)


def end_session(pid: int) -> None:
    """Kill what is left of the session that the process led."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def stop(process: subprocess.Popen[bytes], grace_seconds: float) -> bool:
    """Stop one process and all it started; tell whether it went within the grace by itself."""
    ask_to_stop(process.pid)
    try:
        process.wait(grace_seconds)
        gracefully = True
    except subprocess.TimeoutExpired:
        gracefully = False
    end_session(process.pid)
    process.wait()
    return gracefully


def last_lines(log: Path, count: int = 12, max_bytes: int = 16_384) -> list[str]:
    """Give the last lines of a log, reading at most `max_bytes`."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - max_bytes))
            text = file.read(max_bytes).decode(errors="replace")
    except OSError:
        return []
    return [line[:400] for line in text.splitlines() if line.strip()][-count:]
