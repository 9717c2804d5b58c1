"""The model to serve: named by a pointer file, checked whole, swapped as one reference.

The way of a swap, each time the pointer file has changed:
1. read the pointer (tag and sha256);
2. read the model's file once and compare its sha256, before anything of it is unpickled;
3. check features, width, classes and the scikit-learn version;
4. score a few rows with it, so that the first request pays nothing;
5. replace the one reference that requests read.
A failure at any step leaves the old model in place, and is tried again at the next look.
"""

from __future__ import annotations

import hashlib
import io
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bentoml
import joblib
import msgspec
import numpy as np
import sklearn

from cryptostream.contracts.features import FEATURE_COUNT, FEATURES_HASH
from cryptostream.predictor.drift import Histogram, InputDrift
from cryptostream.predictor.errors import ModelError
from cryptostream.predictor.scorer import Scorer, scorer_of

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

log = logging.getLogger(__name__)

MAX_POINTER_BYTES: Final = 4_096
_MODEL_FILE: Final = "saved_model.pkl"
_WARM_ROWS: Final = 100
_REMEDY: Final = "train one: python -m cryptostream.models train --help"


class Pointer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which model to serve: its tag in the BentoML store, and the sha256 of its file."""

    tag: str
    sha256: str


class CardHead(msgspec.Struct, frozen=True):
    """What the service needs of the model card."""

    features_hash: str
    no_edge: bool
    versions: dict[str, str]
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True)
class Served:
    """A checked and warmed model with its name, replaced as a whole; `p_up` scores rows.

    Attributes:
        made_seconds: when it was saved, seconds since 1970.
        drift: of what comes in; None if the card tells nothing of the training rows.
    """

    pointer: Pointer
    no_edge: bool
    p_up: Scorer
    made_seconds: float = float("-inf")
    drift: InputDrift | None = None


def read_pointer(path: Path) -> Pointer:
    """Read the pointer file; raises `ModelError`."""
    try:
        with path.open("rb") as handle:
            raw = handle.read(MAX_POINTER_BYTES)
        return msgspec.json.decode(raw, type=Pointer)
    except OSError as error:
        raise ModelError(f"the pointer {path}: {error.strerror}; {_REMEDY}") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"the pointer {path}: {error}; {_REMEDY}") from error


def load(pointer: Pointer) -> Served:
    """Fetch the model from the store at `BENTOML_HOME`, checked and warmed; raises `ModelError`."""
    try:
        kept = bentoml.models.get(pointer.tag)
        head = msgspec.convert(kept.info.metadata, CardHead)
        raw = Path(kept.path_of(_MODEL_FILE)).read_bytes()
    except (bentoml.exceptions.BentoMLException, OSError, ValueError) as error:
        raise ModelError(f"the model {pointer.tag}: {error}; {_REMEDY}") from error
    if hashlib.sha256(raw).hexdigest() != pointer.sha256:
        raise ModelError(f"the model {pointer.tag}: its file doesn't match the pointer's sha256")
    _check_head(pointer, head)
    return Served(
        pointer,
        head.no_edge,
        _checked_scorer(pointer.tag, joblib.load(io.BytesIO(raw))),
        kept.info.creation_time.timestamp(),
        InputDrift(head.histogram) if head.histogram else None,
    )


def _check_head(pointer: Pointer, head: CardHead) -> None:
    """Refuse another feature set or scikit-learn before anything is unpickled."""
    if head.histogram and not head.histogram.fits():
        raise ModelError(f"the model {pointer.tag}: its card's histogram is no histogram")
    for what, found, wanted in (
        ("features", head.features_hash, FEATURES_HASH),
        ("scikit-learn", head.versions.get("scikit-learn"), sklearn.__version__),
    ):
        if found != wanted:
            raise ModelError(
                f"the model {pointer.tag}: made for {what} {found}, this service has {wanted}; "
                "train again"
            )


def _checked_scorer(tag: str, model: Any) -> Scorer:
    """Check what the model itself says and does, which also warms it."""
    if getattr(model, "n_features_in_", None) != FEATURE_COUNT:
        raise ModelError(f"the model {tag}: it doesn't take {FEATURE_COUNT} features")
    if list(getattr(model, "classes_", ())) != [0, 1]:
        raise ModelError(f"the model {tag}: its classes aren't 0 and 1")
    scorer = scorer_of(model)
    p_up = scorer(np.zeros((_WARM_ROWS, FEATURE_COUNT), dtype=np.float32))
    if p_up.shape != (_WARM_ROWS,) or not np.all((p_up >= 0) & (p_up <= 1)):
        raise ModelError(f"the model {tag}: it gives no probabilities")
    return scorer


class PointerWatch:
    """Follow the pointer file; `current` is the model in service, None until one has loaded.

    `refused` says why the pointer's model isn't the one in service; empty if it is.

    Args:
        path: the pointer file.
        load: gives the model of a pointer or raises `ModelError`.
        count: called with "ok" or "error" after each try.
    """

    def __init__(
        self, path: Path, load: Callable[[Pointer], Served], count: Callable[[str], None]
    ) -> None:
        self.current: Served | None = None
        self.refused = ""
        self._path = path
        self._load = load
        self._count = count
        self._seen: tuple[int, int, int] | None = None

    def poll(self) -> None:
        """Look at the pointer once and take its model if it is another one; raises nothing."""
        try:
            signature = self._signature()
            if signature == self._seen:
                return
            pointer = read_pointer(self._path)
            if self.current is None or pointer != self.current.pointer:
                self.current = self._load(pointer)
                self._count("ok")
                log.info("model_loaded", extra={"fields": {"model": pointer.tag}})
            self._seen, self.refused = signature, ""
        except Exception as error:  # noqa: BLE001 - a model's file may fail in any way at all
            self._count("error")
            self._tell(f"{type(error).__name__}: {error}")

    def run(self, stop: threading.Event, every_seconds: float) -> None:
        """Poll until `stop` is set."""
        while not stop.wait(every_seconds):
            self.poll()

    def _signature(self) -> tuple[int, int, int]:
        """Identify the file's version; polling also works where inotify doesn't (NFS)."""
        try:
            stat = self._path.stat()
        except OSError as error:
            raise ModelError(f"the pointer {self._path}: {error.strerror}; {_REMEDY}") from error
        return stat.st_mtime_ns, stat.st_ino, stat.st_size

    def _tell(self, text: str) -> None:
        """Log a failure once, not at each look."""
        if text != self.refused:
            log.error("model_refused", extra={"fields": {"detail": text}})
            self.refused = text
