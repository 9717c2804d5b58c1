"""Training finds what is there, finds nothing where nothing is, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from support import market

from cryptostream.models import leaks
from cryptostream.models.dataset import build
from cryptostream.models.errors import LeakError, TrainingError
from cryptostream.models.learners import Options
from cryptostream.models.train import Trained, train

OPTIONS = Options(trees=20, max_rows=2_000, seed=7)


@pytest.fixture(scope="module")
def martingale() -> Trained:
    """Train once on a market with nothing to learn."""
    return train(build([market.tape(orders=9_000, seed=12)]), OPTIONS)


def test_a_martingale_teaches_nothing(martingale: Trained) -> None:
    """Where the mid is a random walk, label A's AUC interval holds 0.5 and no edge is claimed."""
    auc = martingale.card["metrics"]["auc"]
    assert auc.low <= 0.5 <= auc.high
    assert martingale.card["no_edge"] is True


def test_a_model_without_an_edge_says_about_one_half(martingale: Trained) -> None:
    """Whatever it is asked, far from its training too, it is never sure, and says so."""
    rows = np.random.default_rng(5).standard_normal((500, 22)) * 30
    assert np.abs(martingale.model.predict_proba(rows)[:, 1] - 0.5).max() < 0.06
    assert any("close to one half" in note for note in martingale.card["notes"])


def test_the_naive_label_shines_on_a_martingale(martingale: Trained) -> None:
    """The literal label scores above 0.6 where there is nothing to learn: that is why not."""
    assert martingale.card["naive"]["auc"].low > 0.6


def test_a_planted_effect_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the flow does move the mid, label A's AUC interval lies above 0.5."""
    # An effect that nine thousand orders show for sure is larger than any that is believed.
    monkeypatch.setattr(leaks, "SUSPECT_AUC", 1.0)
    trained = train(build([market.tape(orders=9_000, seed=13, impact=0.4)]), OPTIONS)
    assert trained.card["metrics"]["auc"].low > 0.5


def test_skill_that_no_market_has_is_refused() -> None:
    """An AUC above 0.62 at ten seconds is a suspected leak, and no model comes of it."""
    with pytest.raises(LeakError, match=r"AUC 0\.\d+ of forest at 10 s .* suspected leak"):
        train(build([market.tape(orders=9_000, seed=13, impact=0.4)]), OPTIONS)


def test_training_repeats_bit_for_bit(martingale: Trained) -> None:
    """The same trades and seed give the same card and the same probabilities."""
    tape = market.tape(orders=9_000, seed=12)
    again = train(build([tape]), OPTIONS)
    assert again.card == martingale.card
    rows = [[0.1 * column for column in range(22)]]
    assert again.model.predict_proba(rows).tolist() == martingale.model.predict_proba(rows).tolist()


def test_the_card_names_what_the_model_is_made_of(martingale: Trained) -> None:
    """The card holds data, label, features, seed, versions and what doesn't speak for it."""
    card = martingale.card
    assert len(card["data"]["sha256"]) == 64
    assert card["data"]["symbols"] == ["BTCUSDT"]
    assert card["data"]["from_ms"] < card["data"]["to_ms"]
    assert card["horizon_ms"] == 10_000
    assert card["options"]["seed"] == 7
    assert card["data"]["trades_by_symbol"] == {"BTCUSDT": card["data"]["trades"]}
    assert card["git_sha"]
    assert {"majority", "tick rule", "side only"} == card["baselines"]["label_a"].keys()
    assert {"python", "bentoml", "scikit-learn", "numpy"} == card["versions"].keys()
    assert any("No edge" in note for note in card["notes"])
    assert any("Short sample" in note for note in card["notes"])


def test_too_little_data_is_refused_with_the_remedy() -> None:
    """A recording shorter than the warm-up trains nothing and says what is needed."""
    with pytest.raises(TrainingError, match="longer recording"):
        train(build([market.tape(orders=500)]), OPTIONS)
