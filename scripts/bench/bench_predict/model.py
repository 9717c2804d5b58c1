"""A forest of the champion's shape in a store of its own, without a training run."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from cryptostream.contracts.features import FEATURE_COUNT, FEATURES_HASH

#: With `_MIN_LEAF` it gives 75 leaves a tree, where training (100 rows a leaf of 10,000 drawn)
#: gives about 35: the bench's forest is the dearer one.
FIT_ROWS: Final = 30_000
_MIN_LEAF: Final = 20


def make(folder: Path, *, trees: int, depth: int, seed: int = 0) -> Path:
    """Fit a forest on noise with a faint signal, save it and give the pointer's path."""
    os.environ["BENTOML_HOME"] = str(folder / "store")
    os.environ["BENTOML_DO_NOT_TRACK"] = "True"
    (folder / "store").mkdir(parents=True, exist_ok=True)
    import bentoml  # noqa: PLC0415 - reads the variables above when it is imported
    import sklearn  # noqa: PLC0415
    from sklearn.ensemble import RandomForestClassifier  # noqa: PLC0415

    features = rows(FIT_ROWS, seed)
    noise = np.random.default_rng(seed).standard_normal(FIT_ROWS)
    forest = RandomForestClassifier(
        trees, max_depth=depth, min_samples_leaf=_MIN_LEAF, random_state=seed, n_jobs=1
    ).fit(features, features[:, 0] * 0.1 + noise > 0)
    forest.classes_ = np.array([0, 1])
    card: dict[str, Any] = {
        "features_hash": FEATURES_HASH,
        "no_edge": True,
        "versions": {"scikit-learn": sklearn.__version__},
    }
    kept = bentoml.sklearn.save_model("bench", forest, metadata=card)
    raw = Path(kept.path_of("saved_model.pkl")).read_bytes()
    pointer = folder / "model.json"
    pointer.write_text(
        json.dumps({"tag": str(kept.tag), "sha256": hashlib.sha256(raw).hexdigest()})
    )
    return pointer


def rows(count: int, seed: int = 1) -> npt.NDArray[np.float32]:
    """Make feature vectors."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((count, FEATURE_COUNT)).astype(np.float32)
