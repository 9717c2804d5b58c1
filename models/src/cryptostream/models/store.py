"""The BentoML store and the pointer that names the model to serve.

`save_model` moves the store's `latest` at once, so a service that followed it would take every
model unasked. The pointer is the project's own, replaced in one step, and carries the checksum.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import bentoml

from cryptostream.models.pointing import Saved, write_pointer

__all__ = ["MODEL_NAME", "Saved", "save", "write_pointer"]

MODEL_NAME: Final = "trade-direction"


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
