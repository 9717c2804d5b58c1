"""The report is one page that needs nothing else, and the same study gives the same bytes."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from support import market

from cryptostream.contracts.features import FEATURE_NAMES
from cryptostream.models import page
from cryptostream.models.card import data_facts
from cryptostream.models.dataset import Dataset, build
from cryptostream.models.intervals import Estimate
from cryptostream.models.learners import Options
from cryptostream.models.study import Study, cost_bps, study, with_importance

OPTIONS = Options(trees=5, max_rows=1_000)
HORIZONS_MS = (1_000, 10_000)
ORIGIN = {"seed": "0", "commit": "abc"}


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    """Build a small market of pure chance."""
    return build([market.tape("B<C", orders=5_000, seed=31)], horizons_ms=HORIZONS_MS)


def judged(dataset: Dataset) -> Study:
    """Judge two kinds of models on it."""
    return with_importance(study(dataset, OPTIONS, kinds=("forest", "logistic")), 0)


def test_the_page_repeats_bit_for_bit(dataset: Dataset) -> None:
    """Two evaluations of equal data and seed give pages that are equal to the byte."""
    facts = data_facts(dataset)
    first, again = (page.render(judged(dataset), dataset, facts, ORIGIN) for _ in range(2))
    assert first == again


def test_the_page_stands_alone_and_says_what_matters(dataset: Dataset) -> None:
    """No file is loaded, every picture is drawn, and the verdict, cost and naive skill are told."""
    found = judged(dataset)
    text = page.render(found, dataset, data_facts(dataset), ORIGIN)
    assert not re.search(r"(src|href)\s*=|@import|url\(|<script", text)
    assert text.count("<svg") == 5
    for words in ("no edge over chance", "a round trip costs", "This skill is false", "Limits"):
        assert words in text
    assert dataset.sha256 in text
    assert set(found.importance) == set(FEATURE_NAMES)
    for kind in ("forest", "logistic", "majority", "tick rule", "side only"):
        assert f"<td>{kind}</td>" in text


def test_names_cannot_inject_markup(dataset: Dataset) -> None:
    """A symbol is text, whatever its characters."""
    text = page.render(judged(dataset), dataset, data_facts(dataset), ORIGIN)
    assert "B<C" not in text
    assert "B&lt;C" in text


def test_a_suspected_leak_stands_in_the_verdict(dataset: Dataset) -> None:
    """A score that is too good to be true is called that, at the top of the page."""
    found = judged(dataset)
    report = found.reports[10_000]
    good = replace(report.scores["forest"], auc=Estimate(0.7, 0.65, 0.75))
    cheat = replace(report, scores={**report.scores, "forest": good})
    found = replace(found, reports={**found.reports, 10_000: cheat})
    text = page.render(found, dataset, data_facts(dataset), ORIGIN)
    assert "suspected leak" in text.split("<h2>")[0]


def test_a_round_trip_costs_fee_and_spread_twice(dataset: Dataset) -> None:
    """Twice the fee of 10 bp and half the spread, which is half a tick of 0.01 at 100."""
    assert cost_bps(dataset) == pytest.approx(21.0, abs=0.3)
