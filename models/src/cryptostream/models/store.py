"""The BentoML store and the pointer that names the model to serve.

`save_model` moves the store's `latest` at once, so a service that followed it would take every
model unasked. The pointer is the project's own, replaced in one step, and carries the checksum.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any, Final, NamedTuple

import bentoml
import msgspec

MODEL_NAME: Final = "trade-direction"


class Saved(NamedTuple):
    """A model in the store: its tag, and the sha256 of its file."""

    tag: str
    sha256: str


def save(model: Any, card: dict[str, Any]) -> Saved:
    """Save a fitted classifier with its card as metadata into the store at `BENTOML_HOME`."""
    kept = bentoml.sklearn.save_model(
        MODEL_NAME,
        model,
        signatures={"predict_proba": {"batchable": False}},
        labels={"features_hash": card["features_hash"], "no_edge": str(card["no_edge"]).lower()},
        metadata=card,
    )
    raw = Path(kept.path_of("saved_model.pkl")).read_bytes()
    return Saved(str(kept.tag), hashlib.sha256(raw).hexdigest())


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
