"""What the training rows looked like, for the card: the predictor compares what comes in. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from cryptostream.models.dataset import Vectors

BINS: Final = 10
#: More rows move no decile.
MAX_ROWS: Final = 100_000


def histogram(features: Vectors) -> dict[str, list[list[float]]]:
    """Give each feature's inner decile edges and the share of rows in each bin.

    Equal edges (a feature that is often one value) are told once. A value belongs to the bin
    above an edge that it equals.
    """
    rows = features[:: 1 + len(features) // MAX_ROWS]
    edges, shares = [], []
    for column in rows.T:
        cuts = np.unique(np.quantile(column, np.linspace(0, 1, BINS + 1)[1:-1]).astype(np.float32))
        counts = np.bincount(np.searchsorted(cuts, column, side="right"), minlength=len(cuts) + 1)
        edges.append(cuts.astype(np.float64).tolist())
        shares.append((counts / len(rows)).tolist())
    return {"edges": edges, "shares": shares}
