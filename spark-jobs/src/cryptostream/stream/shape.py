"""What a checkpoint was made for, written beside it, so that another shape never goes on from it.

`shape.json` stands in the folder `STREAM_CHECKPOINT`. Which changes need a new version, and how a
running stream moves over to one, is in docs/stream.md.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

import msgspec

from cryptostream.contracts.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

NAME: Final = "shape.json"


class Shape(msgspec.Struct, frozen=True):
    """The version of the checkpoint's layout, and the queries that keep their progress in it."""

    version: str
    queries: tuple[str, ...]


#: The version is also the checkpoint's subfolder.
SHAPE: Final = Shape(version="v2", queries=("trades", "messages"))


def claim(folder: Path) -> None:
    """Take the folder for today's shape; raises `SettingsError` if it is of another one."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = _found(folder)
    except OSError as error:
        raise SettingsError(f"STREAM_CHECKPOINT: {folder} can't be used: {error}") from error
    if found is None:
        draft = folder / f"{NAME}.tmp"
        draft.write_bytes(msgspec.json.encode(SHAPE) + b"\n")
        os.replace(draft, folder / NAME)  # noqa: PTH105 - says atomic to every reader
    elif found != SHAPE:
        raise SettingsError(
            f"STREAM_CHECKPOINT: {folder} holds the progress of another shape of the stream "
            f"({found.version}, this one is {SHAPE.version}); name an empty folder, and the stream "
            "reads again what Kafka still holds (documents are overwritten by themselves)"
        )


def _found(folder: Path) -> Shape | None:
    """Read the shape; None for an empty folder."""
    path = folder / NAME
    if path.exists():
        try:
            return msgspec.json.decode(path.read_bytes(), type=Shape)
        except ValueError:
            return Shape("unreadable", ())
    older = sorted(one.name for one in folder.iterdir() if one.is_dir())
    return Shape(older[0], ()) if older else None
