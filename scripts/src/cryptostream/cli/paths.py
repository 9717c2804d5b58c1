"""Where things are kept: downloads in the cache, a run's files in the state directory.

For root both lie below /var: Elasticsearch never runs as root, and the account it runs as
could not enter root's home.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptostream.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Mapping

NAME: Final = "cryptostream"
_OTHERS_ENTER: Final = stat.S_IXOTH


def cache_dir(env: Mapping[str, str], *, root: bool, home: Path) -> Path:
    """Name the directory of downloads, which outlives every run."""
    system = Path("/var/cache") if root else None
    return _place(env, "CRYPTOSTREAM_CACHE_DIR", "XDG_CACHE_HOME", system, home / ".cache")


def state_dir(env: Mapping[str, str], *, root: bool, home: Path) -> Path:
    """Name the directory of a run: data, logs, process ids, the lock."""
    system = Path("/var/lib") if root else None
    return _place(env, "CRYPTOSTREAM_STATE_DIR", "XDG_STATE_HOME", system, home / ".local/state")


def _place(env: Mapping[str, str], own: str, xdg: str, system: Path | None, fallback: Path) -> Path:
    if env.get(own):
        return Path(env[own]).absolute()
    if system is not None:
        return system / NAME
    base = env.get(xdg, "")
    return (Path(base) if base.startswith("/") else fallback) / NAME


def default_cache_dir() -> Path:
    """Name the cache of the current user and environment."""
    return cache_dir(os.environ, root=os.geteuid() == 0, home=Path.home())


def default_state_dir() -> Path:
    """Name the state directory of the current user and environment."""
    return state_dir(os.environ, root=os.geteuid() == 0, home=Path.home())


def require_open_to_others(path: Path, variable: str) -> None:
    """Raise `CliError` unless every directory down to `path` may be entered by any account."""
    for part in [*reversed(path.parents), path]:
        if part.exists() and not part.stat().st_mode & _OTHERS_ENTER:
            raise CliError(
                f"{part} is closed to the account that Elasticsearch runs as",
                f"Set {variable} to a directory that others may enter, or chmod o+x {part}.",
            )
