"""Fetching bundles into the cache: verified, atomic, and safe beside another fetch.

A bundle is downloaded into a scratch directory, every file is held against its SHA-256, and the
finished directory is renamed into place. A lock per bundle makes a second process wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptostream.cli.artifacts import ELASTICSEARCH_FOLDER, Artifact, Bundle
from cryptostream.cli.errors import CliError

if TYPE_CHECKING:
    from cryptostream.cli.clients import Client

Report = Callable[[str], None]
FETCH_SECONDS: Final = 1200
_PROGRESS_SECONDS: Final = 5.0
_POLL_SECONDS: Final = 0.2
_WINDOWS_ONLY: Final = (".bat", ".exe")


def fetch_all(
    bundles: Sequence[Bundle], cache: Path, client: Callable[[], Client], report: Report
) -> list[Path]:
    """Give the directory of each bundle, fetching side by side what is not in the cache yet.

    `client` is asked for only if something has to be fetched. Raises `CliError`.
    """
    with ThreadPoolExecutor(max_workers=max(1, len(bundles))) as pool:
        jobs = [pool.submit(fetch, bundle, cache, client, report) for bundle in bundles]
        return [job.result() for job in jobs]


def fetch(bundle: Bundle, cache: Path, client: Callable[[], Client], report: Report) -> Path:
    """Give the bundle's directory in the cache, fetching it first if need be.

    Raises:
        CliError: if the client fails, a file is not what was pinned, or the cache can't be written.
    """
    home = cache / bundle.directory
    if is_complete(bundle, home):
        return home
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with _locked(cache / f".{bundle.directory}.lock", bundle, report):
            if not is_complete(bundle, home):
                _fetch_into(bundle, home, client(), report)
    except OSError as error:
        raise CliError(
            f"{bundle.name} can't be stored in {cache}: {error}",
            "Make room there, or set CRYPTOSTREAM_CACHE_DIR to another directory.",
        ) from error
    return home


def is_complete(bundle: Bundle, home: Path) -> bool:
    """Tell whether the directory holds the bundle; jars are held against their checksums.

    An unpacked archive was verified before it was renamed into place.
    """
    if not home.is_dir():
        return False
    jars = [item for item in bundle.artifacts if item.extension == "jar"]
    return all(_matches(home / item.filename, item) for item in jars)


def _fetch_into(bundle: Bundle, home: Path, client: Client, report: Report) -> None:
    scratch = Path(tempfile.mkdtemp(prefix=f".{bundle.name}-", dir=home.parent))
    try:
        report(f"{bundle.name}: fetching {bundle.megabytes} MB through {client.name}")
        _run(client.command(bundle.artifacts, scratch), scratch, bundle, report)
        ready = scratch / "ready"
        ready.mkdir()
        for item in bundle.artifacts:
            _take(item, client.located(item, scratch), ready)
        ready.chmod(0o755)
        shutil.rmtree(home, ignore_errors=True)
        ready.rename(home)
        report(f"{bundle.name}: fetched and verified")
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _take(item: Artifact, source: Path, ready: Path) -> None:
    """Verify one fetched file, then move it, or what is needed of an archive, into `ready`."""
    if not source.is_file():
        raise CliError(f"{item.filename} was not fetched", "Try again.")
    if not _matches(source, item):
        raise CliError(
            f"{item.filename} is not the file that was pinned (its SHA-256 differs)",
            "Look at what your repository mirror serves, then try again.",
        )
    if item.extension == "zip":
        unpack(source, ELASTICSEARCH_FOLDER, ready)
    else:
        source.rename(ready / item.filename)
        (ready / item.filename).chmod(0o644)


def unpack(archive: Path, folder: str, target: Path) -> None:
    """Unpack what lies below `folder` in a zip archive, without Windows' programs.

    Raises `CliError` if a member would leave the target.
    """
    root = target.resolve()
    with zipfile.ZipFile(archive) as opened:
        for member in opened.infolist():
            name = member.filename
            if not name.startswith(folder) or name.endswith(_WINDOWS_ONLY):
                continue
            place = (root / name[len(folder) :]).resolve()
            if not place.is_relative_to(root):
                raise CliError(f"{archive.name} holds the path {name}", "Don't use this archive.")
            if member.is_dir():
                place.mkdir(parents=True, exist_ok=True)
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            with opened.open(member) as source, place.open("wb") as copy:
                shutil.copyfileobj(source, copy, 1 << 20)


def _run(command: list[str], scratch: Path, bundle: Bundle, report: Report) -> None:
    """Run the client to its end, telling how much has arrived."""
    log = scratch / "client.log"
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - a client we chose
            command, cwd=scratch, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        _watch(process, scratch, bundle, report)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    if process.returncode:
        lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
        raise CliError(
            f"{bundle.name} could not be fetched: {' | '.join(lines[-3:])[-600:]}",
            "Look at the network and at the proxy or mirror settings of Maven, then try again.",
        )


def _watch(process: subprocess.Popen[bytes], scratch: Path, bundle: Bundle, report: Report) -> None:
    started = told = time.monotonic()
    while process.poll() is None:
        now = time.monotonic()
        if now - started > FETCH_SECONDS:
            raise CliError(
                f"{bundle.name} was not fetched within {FETCH_SECONDS} s",
                "Look at the network, then try again.",
            )
        if now - told >= _PROGRESS_SECONDS:
            told = now
            arrived = _size(scratch) // 1_000_000
            report(f"{bundle.name}: {arrived} of {bundle.megabytes} MB ({now - started:.0f} s)")
        time.sleep(_POLL_SECONDS)


def _size(directory: Path) -> int:
    total = 0
    for place, _, names in os.walk(directory):
        for name in names:
            try:
                total += (Path(place) / name).stat().st_size
            except OSError:
                continue  # renamed by the client meanwhile
    return total


def _matches(path: Path, item: Artifact) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == item.sha256


@contextmanager
def _locked(path: Path, bundle: Bundle, report: Report) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report(f"{bundle.name}: waiting for another process that is fetching it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
