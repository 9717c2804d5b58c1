"""The pointer file that names the model to serve, without BentoML."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import NamedTuple

import msgspec


class Saved(NamedTuple):
    """A model in the store: its tag, and the sha256 of its file."""

    tag: str
    sha256: str


def write_pointer(path: Path, saved: Saved) -> None:
    """Point the service at a model; readers see the old pointer or the new one, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as temporary:
            temporary.write(msgspec.json.encode(saved._asdict()) + b"\n")
            temporary.flush()
            os.fsync(temporary.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
