"""Where a model comes from: the code's version and the libraries'."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Final

#: Set in images, which carry no git history.
GIT_SHA_VARIABLE: Final = "CRYPTOSTREAM_GIT_SHA"
UNKNOWN_SHA: Final = "unknown"
_LIBRARIES: Final = ("bentoml", "scikit-learn", "numpy")
_GIT_SECONDS: Final = 10


def git_sha() -> str:
    """Give the commit that this code is of, with `-dirty` if files differ from it."""
    given = os.environ.get(GIT_SHA_VARIABLE)
    if given:
        return given
    sha = _git("rev-parse", "HEAD")
    if sha is None:
        return UNKNOWN_SHA
    return f"{sha}-dirty" if _git("status", "--porcelain", "-uno", ".") else sha


def versions() -> dict[str, str]:
    """Give the versions of Python and of what decides the model's bits."""
    return {"python": platform.python_version(), **{name: version(name) for name in _LIBRARIES}}


def _git(*arguments: str) -> str | None:
    try:
        done = subprocess.run(  # noqa: S603 - fixed arguments
            ["git", *arguments],  # noqa: S607 - the user's own git
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            timeout=_GIT_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
