"""A round trains on the past, judges on what came after, and promotes only what earned it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from support import market

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.contracts.mappings import PROPERTIES
from cryptostream.models.continuous import Bar, Champion, learn, window
from cryptostream.models.dataset import Dataset, build
from cryptostream.models.errors import TrainingError
from cryptostream.models.gate import Rules
from cryptostream.models.histogram import histogram
from cryptostream.models.labels import SERVED_HORIZON_MS
from cryptostream.models.learners import KINDS, Options
from cryptostream.models.pointing import Saved

if TYPE_CHECKING:
    from collections.abc import Mapping

OPTIONS = Options(trees=3, max_rows=1_000)
BAR = Bar(Rules(min_blocks=10, dwell_ms=1_000), "")


@dataclass
class MemoryShelf:
    """Models in memory."""

    serving: Champion | None = None
    since_ms: int = 1_000
    cards: list[dict[str, Any]] = field(default_factory=list)
    promoted: list[Saved] = field(default_factory=list)

    def champion(self) -> Champion | None:
        """Give the model in service."""
        return self.serving

    def served_ms(self) -> int:
        """Tell how long it has been."""
        return self.since_ms

    def save(self, _model: Any, card: dict[str, Any]) -> Saved:
        """Keep a card."""
        self.cards.append(card)
        return Saved(f"m:{len(self.cards)}", "0")

    def promote(self, saved: Saved, _reason: str) -> None:
        """Note it."""
        self.promoted.append(saved)


class Told:
    """What was told."""

    def __init__(self) -> None:
        self.steps: list[tuple[str, Mapping[str, Any]]] = []

    def __call__(self, event: str, numbers: Mapping[str, Any]) -> None:
        """Note it."""
        self.steps.append((event, numbers))

    def events(self) -> list[str]:
        """Give the steps' names."""
        return [event for event, _ in self.steps]


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Make a market with a planted effect, an hour of it: one order in 1.5 s."""
    tape = market.tape("BTCUSDT", orders=2_000, seed=1, impact=0.4)
    slow = replace(tape, time_ms=tape.time_ms[0] + 6 * (tape.time_ms - tape.time_ms[0]))
    return build([slow], horizons_ms=(SERVED_HORIZON_MS,))


def constant(p_up: float, trained_to_ms: int = 0) -> Champion:
    """Make a champion that always says the same."""
    return Champion("m:old", lambda rows: np.full(len(rows), p_up), trained_to_ms)


def test_the_first_model_is_promoted_and_its_card_says_what_it_knows(dataset: Dataset) -> None:
    """Without a champion the best challenger is served; it knows nothing of its test window."""
    shelf, told = MemoryShelf(), Told()
    done = learn(dataset, shelf, OPTIONS, BAR, told)
    assert done.verdict.passed
    assert shelf.promoted == [done.promoted]
    assert told.events() == ["trained"] * 3 + ["evaluated"] * 3 + ["promoted"]
    (card,) = shelf.cards
    ((start, _),) = window(dataset, None).tests
    assert card["trained_to_ms"] == start
    assert card["kind"] in KINDS
    assert len(card["histogram"]["edges"]) == FEATURE_COUNT


def test_a_bad_champion_is_replaced(dataset: Dataset) -> None:
    """A champion that is surely wrong loses to a challenger."""
    shelf, told = MemoryShelf(constant(0.05)), Told()
    assert learn(dataset, shelf, OPTIONS, BAR, told).verdict.passed
    event, numbers = told.steps[-1]
    assert (event, numbers["previous"]) == ("promoted", "m:old")
    assert numbers["gain_low"] > 0


@pytest.mark.parametrize(
    ("bar", "served_ms", "reason"),
    [
        (Bar(BAR.rules, "AUC of forest is in [0.6, 0.7]"), 1_000, "null_world"),
        (Bar(Rules(min_blocks=10_000), ""), 1_000, "blocks"),
        (BAR, 999, "dwell"),
    ],
)
def test_a_refused_challenger_is_neither_saved_nor_served(
    dataset: Dataset, bar: Bar, served_ms: int, reason: str
) -> None:
    """Whatever the gate names, the champion stays and the store gets nothing."""
    shelf, told = MemoryShelf(constant(0.05), since_ms=served_ms), Told()
    done = learn(dataset, shelf, OPTIONS, bar, told)
    assert done.verdict.reason.startswith(reason)
    assert told.events()[-1] == "refused"
    assert not shelf.cards
    assert not shelf.promoted


def test_the_window_begins_after_all_that_the_champion_knows(dataset: Dataset) -> None:
    """A champion trained into the window shortens it; too short a window is waited for."""
    ((start, end),) = window(dataset, None).tests
    known = (start + end) // 2
    with pytest.raises(TrainingError, match="wait"):
        window(dataset, constant(0.5, end))
    try:
        ((later, _),) = window(dataset, constant(0.5, known)).tests
    except TrainingError:
        return
    assert later > known


def test_each_step_is_a_declared_document(dataset: Dataset) -> None:
    """What is told has only fields of the kind `models`."""
    told = Told()
    learn(dataset, MemoryShelf(constant(0.5)), OPTIONS, BAR, told)
    for _, numbers in told.steps:
        assert numbers.keys() <= PROPERTIES["models"].keys()


def test_a_histogram_covers_all_rows() -> None:
    """Shares add up to 1, edges rise, and a constant feature has a bin of its own."""
    rows = np.random.default_rng(0).standard_normal((5_000, FEATURE_COUNT)).astype(np.float32)
    rows[:, 3] = 1.0
    told = histogram(rows)
    for edges, shares in zip(told["edges"], told["shares"], strict=True):
        assert sum(shares) == pytest.approx(1.0)
        assert edges == sorted(set(edges))
        assert len(shares) == len(edges) + 1
    assert told["shares"][3] == [0.0, 1.0]
    assert told["shares"][0] == pytest.approx([0.1] * 10, abs=0.01)
