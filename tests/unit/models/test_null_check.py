"""The check before a promotion: a recipe that finds something in pure chance is found out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from cryptostream.models import nullworld
from cryptostream.models.labels import first_fills
from cryptostream.models.learners import Options
from cryptostream.models.nullworld import martingale, null_fault

if TYPE_CHECKING:
    from cryptostream.models.dataset import Dataset
    from cryptostream.models.trades import Tape

OPTIONS = Options(kind="logistic", seed=1)
ORDERS = 12_000


def test_the_market_holds_what_fakes_skill() -> None:
    """Takers persist, orders fill at several prices, and prints bounce: the tape is no easy one."""
    tape = martingale(ORDERS, seed=3)
    at = first_fills(tape)
    assert len(at) == ORDERS
    assert len(tape) > 2 * ORDERS
    side = tape.side[at]
    assert np.mean(side[1:] == side[:-1]) == pytest.approx(0.8, abs=0.03)
    assert (np.diff(tape.time_ms) >= 0).all()
    swept = np.diff(tape.price)[np.diff(tape.time_ms) == 0]
    assert np.mean(swept != 0) > 0.2


def test_the_mid_ignores_the_flow() -> None:
    """Moves of the mid are uncorrelated with the taker's side."""
    tape = martingale(50_000, seed=4)
    at = first_fills(tape)
    mid = tape.price[at] - tape.side[at] * 0.005
    assert abs(np.corrcoef(tape.side[at][:-1], np.diff(mid))[0, 1]) < 0.02


def test_an_honest_recipe_is_green() -> None:
    """Nothing is found where there is nothing, and the same seed says the same."""
    assert null_fault(OPTIONS, orders=ORDERS) == ""


def test_a_leaking_pipeline_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a feature has seen the answer, skill shows even in pure chance, and is told."""
    honest = nullworld.build

    def leaking(tapes: list[Tape], *, horizons_ms: tuple[int, ...]) -> Dataset:
        data = honest(tapes, horizons_ms=horizons_ms)
        data.features[:, 0] = data.move_bps[:, 0] > 0
        return data

    monkeypatch.setattr(nullworld, "build", leaking)
    assert "of logistic at 10 s stands clear of 0.5" in null_fault(OPTIONS, orders=ORDERS)
