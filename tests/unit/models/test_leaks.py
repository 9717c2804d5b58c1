"""Each known way to fake skill, done on purpose in a market of pure chance, is caught."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import KFold
from support import market

from cryptostream.contracts.features import step
from cryptostream.models import leaks
from cryptostream.models.dataset import Dataset, build
from cryptostream.models.errors import LeakError
from cryptostream.models.evaluation import judge, walk
from cryptostream.models.folds import Fold, check_folds, walk_plan
from cryptostream.models.labels import UNKNOWN
from cryptostream.models.learners import Options, recipe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.models.dataset import Samples
    from cryptostream.models.evaluation import Report
    from cryptostream.models.labels import Labels
    from cryptostream.models.trades import Ints

HORIZON_MS = 10_000
OPTIONS = Options(trees=15, max_rows=3_000)


@pytest.fixture(scope="module")
def chance() -> Dataset:
    """Build the dataset of a market with nothing to learn."""
    return build([market.tape(orders=9_000, seed=21)])


def walked(samples: Samples, target: Labels) -> dict[int, Report]:
    """Walk forward as an evaluation does, with another answer in the place of label A."""
    asked = replace(samples, target=target)
    plan = walk_plan(asked.time_ms, HORIZON_MS)
    return {HORIZON_MS: walk({"forest": recipe(OPTIONS)}, asked, plan, seed=0)}


def next_trades(data: Dataset, samples: Samples) -> Ints:
    """Find the row that follows each sample in the dataset."""
    return np.minimum(
        np.searchsorted(data.time_ms, samples.time_ms, side="left") + 1, len(data) - 1
    )


def test_label_a_shows_no_skill_in_chance(chance: Dataset) -> None:
    """The control: with label A the very same walk finds nothing, and no check cries."""
    samples = chance.at(HORIZON_MS)
    found = walked(samples, samples.target)
    assert not leaks.false_skill({HORIZON_MS: found[HORIZON_MS]})
    leaks.refuse(found)


def test_ties_are_caught(chance: Dataset) -> None:
    """The literal label, whose ties count as "not up", shines on chance and is named."""
    literal = chance.literal()
    found = walked(literal, literal.target)
    assert found[HORIZON_MS].scores["forest"].majority_accuracy > 0.6
    assert any("forest" in line for line in leaks.false_skill(found))


def test_sweeps_are_caught() -> None:
    """The next fill of one order marches on: without ties it still shines, and is named."""
    tape = market.tape(orders=9_000, seed=22)
    data = build([tape])
    literal = data.literal()
    rows = np.flatnonzero(data.warm & (data.naive != UNKNOWN))
    moved = tape.price[rows + 1] != tape.price[rows]
    swept = np.where(moved, literal.target, UNKNOWN).astype(np.int8)
    found = walked(literal, swept)
    with pytest.raises(LeakError, match=r"AUC 0\.\d+ of forest .* suspected leak"):
        leaks.refuse(found)


def test_the_bounce_is_caught() -> None:
    """The next order of any side prints at bid or ask: the bounce shines, and is named."""
    tape = market.tape(orders=9_000, seed=23)
    data = build([tape])
    samples = data.at(1_000)
    next_order = np.searchsorted(tape.time_ms, samples.time_ms, side="right")
    inside = next_order < len(tape)
    samples, next_order = samples.take(inside), next_order[inside]
    now = tape.price[np.searchsorted(tape.time_ms, samples.time_ms, side="left")]
    then = tape.price[next_order]
    target = np.where(then == now, UNKNOWN, then > now).astype(np.int8)
    found = walked(samples, target)
    with pytest.raises(LeakError, match="suspected leak"):
        leaks.refuse(found)


def shuffled(samples: Samples, extra: Sequence[Ints]) -> tuple[list[Fold], Report]:
    """Cross-validate over shuffled folds, with further columns beside the features."""
    decided = samples.decided()
    rows = np.column_stack([decided.features, *extra])
    p_up = np.empty(len(decided))
    folds = []
    for train, test in KFold(3, shuffle=True, random_state=0).split(rows):
        forest = RandomForestClassifier(30, min_samples_leaf=5, random_state=0)
        forest.fit(rows[train], decided.target[train])
        p_up[test] = forest.predict_proba(rows[test])[:, 1]
        folds.append(Fold(train, test))
    fold = np.zeros(len(decided), dtype=np.int8)
    return folds, judge(decided, fold, {"forest": p_up}, seed=0)


def test_shuffled_folds_are_caught() -> None:
    """Shuffled folds find skill in chance at a minute; both the folds and the score are named."""
    data = build([market.tape(orders=9_000, seed=24)])
    samples = data.at(60_000)
    folds, report = shuffled(samples, [])
    decided = samples.decided()
    assert leaks.suspicions({60_000: report})
    with pytest.raises(LeakError, match="training rows were answered"):
        check_folds(folds, decided.time_ms, decided.settled_ms, 60_000)


@pytest.mark.parametrize("leak", ["price", "clock"])
def test_price_level_and_clock_are_caught(leak: str) -> None:
    """A feature that carries the price level or the clock is named, and would score by heart."""
    tape = market.tape(orders=9_000, seed=25)

    def leaking(
        state: list[float], time_ms: int, price: float, size: float, side: int
    ) -> list[float]:
        vector = step(state, time_ms, price, size, side)
        vector[3] = price if leak == "price" else float(time_ms)
        return vector

    small = replace(
        tape, **{name: getattr(tape, name)[:2_000] for name in ("time_ms", "price", "size", "side")}
    )
    with pytest.raises(LeakError, match=r"ofi_300s$"):
        leaks.check_scale_free(leaking, small)
    samples = build([tape]).at(60_000)
    at = np.searchsorted(tape.time_ms, samples.decided().time_ms, side="left")
    column = tape.price[at] if leak == "price" else tape.time_ms[at]
    assert leaks.suspicions({60_000: shuffled(samples, [column])[1]})


def test_the_contracts_features_are_free_of_scale_and_clock() -> None:
    """The real features don't notice a thousandfold price, another unit or another year."""
    leaks.check_scale_free(step, market.tape(orders=1_000, seed=26))
