"""Finding a JDK: Elasticsearch 9 needs version 21 or newer, and modules that a JRE lacks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptostream.cli.errors import CliError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MIN_VERSION: Final = 21
#: Elasticsearch's server launcher refuses a runtime without them.
NEEDED_MODULES: Final = frozenset({"jdk.jlink", "jdk.jdi"})
USUAL_PLACES: Final = (
    "/usr/lib/jvm/*",
    "/usr/java/*",
    "/opt/java/*",
    "/opt/*jdk*",
    "/usr/local/*jdk*",
    "~/.sdkman/candidates/java/*",
    "~/.jdks/*",
    "/Library/Java/JavaVirtualMachines/*/Contents/Home",
    "/opt/homebrew/opt/openjdk*/libexec/openjdk.jdk/Contents/Home",
)
_LIST_SECONDS: Final = 20


@dataclass(frozen=True, slots=True)
class Jdk:
    """A JDK: its home and its major version."""

    home: Path
    version: int

    @property
    def java(self) -> str:
        """Give the path of its `java`."""
        return str(self.home / "bin" / "java")


def find_jdk(env: Mapping[str, str] = os.environ, places: Iterable[str] = USUAL_PLACES) -> Jdk:
    """Find a full JDK >= `MIN_VERSION`: JAVA_HOME first, then PATH, then the newest elsewhere.

    Raises:
        CliError: if there is none; it names what was found instead.
    """
    seen: list[str] = []
    for home in _candidates(env, places):
        version = major_version(home)
        if version is None:
            continue
        if version < MIN_VERSION:
            seen.append(f"{home} is version {version}")
        elif missing := NEEDED_MODULES - modules(home):
            seen.append(f"{home} lacks {', '.join(sorted(missing))}")
        else:
            return Jdk(home, version)
    found = f" (found: {'; '.join(seen)})" if seen else ""
    raise CliError(
        f"No JDK >= {MIN_VERSION} was found{found}",
        f"Install a full JDK {MIN_VERSION} or newer, or set JAVA_HOME to one.",
    )


def _candidates(env: Mapping[str, str], places: Iterable[str]) -> Iterator[Path]:
    """Give each home once, in the order of preference."""
    first: list[Path] = []
    if env.get("JAVA_HOME"):
        first.append(Path(env["JAVA_HOME"]))
    if java := shutil.which("java", path=env.get("PATH", "")):
        first.append(Path(java).resolve().parent.parent)
    rest = [home for place in places for home in _glob(place)]
    rest.sort(key=lambda home: (-(major_version(home) or 0), str(home)))
    yield from dict.fromkeys(home.resolve() for home in [*first, *rest])


def _glob(pattern: str) -> list[Path]:
    path = Path(pattern).expanduser()
    return list(Path(path.anchor).glob(str(path.relative_to(path.anchor))))


def major_version(home: Path) -> int | None:
    """Read the major version off the `release` file: `JAVA_VERSION="25.0.3"` -> 25."""
    if not (home / "bin" / "java").is_file():
        return None
    try:
        release = (home / "release").read_text(errors="replace")
    except OSError:
        return None
    match = re.search(r'^JAVA_VERSION="(?:1\.)?(\d+)', release, re.MULTILINE)
    return int(match[1]) if match else None


def modules(home: Path) -> frozenset[str]:
    """Ask the runtime for the names of its modules; none if it can't be run."""
    try:
        answer = subprocess.run(  # noqa: S603 - a java we found
            [str(home / "bin" / "java"), "--list-modules"],
            capture_output=True,
            text=True,
            timeout=_LIST_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return frozenset()
    return frozenset(line.split("@")[0] for line in answer.stdout.split())
