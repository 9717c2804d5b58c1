"""The whole evaluation on the simulator's market: nothing found where nothing is, and the rest.

The market is the simulator's own, without and with a planted effect (its `impact`), written as
trade files by its `generate` and read as any user's files are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cryptostream.models import leaks
from cryptostream.models.dataset import build
from cryptostream.models.labels import HORIZONS_MS
from cryptostream.models.learners import KINDS, Options
from cryptostream.models.study import CHAMPION, Study, study
from cryptostream.models.trades import read_tapes
from cryptostream.simulator.generate import generate
from cryptostream.simulator.instruments import choose_instruments
from cryptostream.simulator.market import Market

if TYPE_CHECKING:
    from pathlib import Path

START_MS = 1_767_225_600_000
TRADES = 40_000
RATE = 4.0
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
OPTIONS = Options(trees=20, max_rows=4_000)
#: One interval in twenty leaves the truth out; the seeds are fixed, so the verdict is, too.
NULL_SEED, PLANTED_SEED = 1, 2
IMPACT = 0.3


def evaluated(folder: Path, *, seed: int, impact: float = 0.0, **options: Any) -> Study:
    """Generate a market of about three hours, and judge models on it, as an evaluation does."""
    instruments = choose_instruments(SYMBOLS)
    market = Market(instruments, rate=RATE, seed=seed, start_ms=START_MS, impact=impact)
    generate(market, instruments, TRADES, folder)
    return study(build(read_tapes([folder])), OPTIONS, **options)


@pytest.fixture(scope="module")
def null(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Judge once on a market with nothing to learn."""
    return evaluated(tmp_path_factory.mktemp("null"), seed=NULL_SEED)


def test_label_a_finds_nothing_at_any_horizon(null: Study) -> None:
    """The forest's AUC interval holds 0.5 at each horizon, and no model stands clear of it."""
    assert tuple(null.reports) == HORIZONS_MS
    assert not leaks.false_skill(null.reports)
    for report in null.reports.values():
        low, high = report.scores[CHAMPION].auc[1:]
        assert low <= 0.5 <= high
        assert not any(report.scores[kind].has_edge for kind in KINDS)


def test_the_naive_label_shows_its_false_skill(null: Study) -> None:
    """In the same study the literal label's AUC stands far above 0.5."""
    assert null.naive.scores["forest"].auc.low > 0.6


def test_no_leak_is_suspected(null: Study) -> None:
    """The check for leaks is quiet where there is none."""
    leaks.refuse(null.reports)


def test_a_planted_effect_is_found(tmp_path: Path) -> None:
    """Where the flow drives the mid a little, the forest's interval lies above 0.5 at 10 s."""
    found = evaluated(
        tmp_path, seed=PLANTED_SEED, impact=IMPACT, kinds=("forest",), horizons_ms=(10_000,)
    )
    assert found.reports[10_000].scores["forest"].auc.low > 0.5
