"""Models in the BentoML store, and the pointer to the one in service. I/O.

Import it only once `BENTOML_HOME` is set: BentoML reads it when it is imported.
"""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bentoml
import joblib

from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.models import store
from cryptostream.models.continuous import Champion
from cryptostream.models.errors import PromotionError
from cryptostream.models.learners import scorer

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.models.pointing import Saved
    from cryptostream.models.promotion import Promotions


class StoreShelf:
    """The store at `BENTOML_HOME` and the promotions of one pointer."""

    def __init__(self, promotions: Promotions, wall_ms: Callable[[], int]) -> None:
        self._promotions = promotions
        self._wall_ms = wall_ms

    def champion(self) -> Champion | None:
        """Load the model in service; None if there is none, or if it scores other features.

        Raises:
            PromotionError: it is gone, or its file is another one than the pointer vouches for.
        """
        saved = self._promotions.current()
        if saved is None:
            return None
        try:
            kept = bentoml.models.get(saved.tag)
            raw = Path(kept.path_of("saved_model.pkl")).read_bytes()
        except (bentoml.exceptions.BentoMLException, OSError) as error:
            raise PromotionError(f"the model in service, {saved.tag}: {error}") from error
        if hashlib.sha256(raw).hexdigest() != saved.sha256:
            raise PromotionError(f"the model in service, {saved.tag}, isn't the file it was")
        card: Any = kept.info.metadata
        if card["features_hash"] != FEATURES_HASH:
            return None
        trained_to_ms = int(card.get("trained_to_ms", card["data"]["to_ms"]))
        return Champion(saved.tag, scorer(joblib.load(io.BytesIO(raw))), trained_to_ms)

    def served_ms(self) -> int:
        """Tell how long it has been in service; for ever, if nobody knows."""
        return self._wall_ms() - self._promotions.served_since_ms()

    def save(self, model: Any, card: dict[str, Any]) -> Saved:
        """Keep a model with its card."""
        return store.save(model, card)

    def promote(self, saved: Saved, reason: str) -> None:
        """Serve the model from now on."""
        self._promotions.promote(saved, reason)
