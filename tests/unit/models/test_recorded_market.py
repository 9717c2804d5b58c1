"""On real recorded trades the scores are believable and repeat themselves."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from cryptostream.models import leaks, page
from cryptostream.models.card import data_facts
from cryptostream.models.dataset import Dataset, build
from cryptostream.models.learners import Options
from cryptostream.models.study import CHAMPION, Study, study, with_importance
from cryptostream.models.trades import read_tapes

RECORDED = Path(os.environ.get("RECORDED_TRADES", Path(__file__).parents[4] / "shared" / "data"))
FILE = RECORDED / "LTCUSDT-binance-spot-2025-06-21_22.csv.gz"
TRADES = 152_763
HORIZONS_MS = (10_000, 60_000)
OPTIONS = Options(trees=10, max_rows=4_000, seed=3)


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Replay the recorded day, or skip where it isn't."""
    if not FILE.exists():
        pytest.skip(f"no recorded trades at {FILE}; set RECORDED_TRADES")
    return build(read_tapes([FILE]), horizons_ms=HORIZONS_MS)


def judged(dataset: Dataset) -> Study:
    """Judge a small forest at 10 and 60 s."""
    return study(dataset, OPTIONS, kinds=(CHAMPION,))


def rendered(found: Study, dataset: Dataset) -> str:
    """Write the report's page."""
    whole = with_importance(found, OPTIONS.seed)
    return page.render(whole, dataset, data_facts(dataset), {"seed": str(OPTIONS.seed)})


def test_real_trades_raise_no_suspicion(dataset: Dataset) -> None:
    """At 10 s and more no AUC is above 0.62; the same data and seed give the same page's bytes."""
    assert len(dataset) == TRADES
    found = judged(dataset)
    leaks.refuse(found.reports)
    assert rendered(found, dataset) == rendered(judged(dataset), dataset)
