"""Live predictions are scored once each, honestly, and a bad model is told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.contracts.mappings import PROPERTIES
from cryptostream.models import live
from cryptostream.models.errors import ScoreboardError
from cryptostream.models.labels import HORIZONS_MS, SERVED_HORIZON_MS, label_a
from cryptostream.models.live import LAG_MS, Scoreboard
from cryptostream.models.live_settings import ScoreboardSettings
from cryptostream.models.scoreboard import ALL, lines
from cryptostream.models.scoreboard_rows import SETTLE_MS, Pending, Trades, settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from cryptostream.contracts.messages import Alert

START = 1_700_000_000_000
MINUTES = 32


def market(skill: float, *, minutes: int = MINUTES, seed: int = 0) -> Trades:
    """Make trades of two symbols; the predictions know the answer as far as `skill` says."""
    parts = [_symbol(name, skill, minutes, seed + at) for at, name in enumerate(("A", "B"))]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.argsort(whole["time_ms"], kind="stable")
    return Trades(**{name: column[order] for name, column in whole.items()})


def _symbol(name: str, skill: float, minutes: int, seed: int) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    count = minutes * 150
    time_ms = START + np.sort(rng.integers(0, minutes * 60_000, count))
    side = rng.choice([-1, 1], count)
    mid = 10_000 + np.cumsum(rng.choice([-1, 0, 1], count))
    price = (mid + side * 0.5) / 100.0
    answers = label_a(time_ms, price, side, np.zeros(count, np.int64), horizon_ms=SERVED_HORIZON_MS)
    said = np.clip(0.5 + skill * (answers.label - 0.5), 0.01, 0.99)
    noise = rng.normal(0, 0.02, count)
    return {
        "symbol": np.full(count, name),
        "time_ms": time_ms,
        "price": price,
        "side": side,
        "p_up": np.clip(np.where(answers.label >= 0, said, 0.5) + noise, 0.001, 0.999),
        "model": np.full(count, "m:1"),
    }


def cut(trades: Trades, from_ms: int, to_ms: int) -> Trades:
    """Give the trades of [from_ms, to_ms)."""
    return trades.take((trades.time_ms >= from_ms) & (trades.time_ms < to_ms))


def test_pieces_give_what_the_whole_gives() -> None:
    """However the trades are cut into reads, each order is answered once and the same."""
    trades = market(0.1, minutes=8)
    end = START + 8 * 60_000
    whole = settle(trades, START, end - SETTLE_MS)
    pending, at, found = Pending(START), START, []
    for step in (7_000, 61_000, 13, 120_000, 200_000, 600_000):
        to_ms = min(at + step, end)
        found.append(pending.add(cut(trades, at, to_ms), to_ms))
        at = to_ms
    for name in ("time_ms", "p_up", "target", "move_bps", "tick"):
        pieces = np.concatenate([getattr(part, name) for part in found])
        order = np.lexsort((np.concatenate([part.symbol for part in found]),
                            np.concatenate([part.time_ms for part in found])))  # fmt: skip
        expected = getattr(whole, name)[np.lexsort((whole.symbol, whole.time_ms))]
        np.testing.assert_array_equal(pieces[order], expected)


def test_no_answer_is_taken_before_it_is_known() -> None:
    """The newest orders wait until the longest horizon and wait have passed."""
    trades = market(0.1, minutes=4)
    end = START + 4 * 60_000
    outcomes = Pending(START).add(trades, end)
    assert outcomes.time_ms.max() < end - SETTLE_MS


def test_unpredicted_trades_are_not_scored_but_answer_others() -> None:
    """A trade without a prediction is no row, yet its price is an answer."""
    trades = market(0.1, minutes=4)
    half = np.where(np.arange(len(trades)) % 2, trades.p_up, np.nan)
    sparse = Trades(trades.symbol, trades.time_ms, trades.price, trades.side, half, trades.model)
    full, part = (settle(one, START, START + 60_000) for one in (trades, sparse))
    chosen = np.isin(full.p_up, part.p_up)
    assert 0 < len(part) < len(full)
    np.testing.assert_array_equal(full.target[chosen], part.target)


def test_a_model_without_skill_scores_chance_and_a_seer_does_not() -> None:
    """The AUC of noise is near one half; that of a model that knows is far above."""
    for skill, low, high in ((0.0, 0.46, 0.54), (0.05, 0.8, 1.0)):
        trades = market(skill)
        outcomes = settle(trades, START, START + MINUTES * 60_000 - SETTLE_MS)
        found = {(line.group, line.horizon_ms): line for line in lines(outcomes)}
        assert {horizon for group, horizon in found if group == ALL} == set(HORIZONS_MS)
        assert {"A", "B", "majors"} <= {group for group, _ in found}
        auc = found[ALL, SERVED_HORIZON_MS].score.auc
        assert low < auc.low <= auc.value <= auc.high <= 1.0
        assert auc.value < high
        document = found[ALL, SERVED_HORIZON_MS].document(START, "30m")
        assert document.keys() <= PROPERTIES["scores"].keys()


class MemoryStore:
    """Trades in memory, and what was written."""

    def __init__(self, trades: Trades) -> None:
        self.trades_kept = trades
        self.written: dict[str, dict[str, dict[str, Any]]] = {}
        self.broken = False

    def trades(self, from_ms: int, to_ms: int) -> Trades:
        """Read trades."""
        if self.broken:
            raise ScoreboardError("away")
        return cut(self.trades_kept, from_ms, to_ms)

    def vectors(self, from_ms: int, _to_ms: int, count: int) -> np.ndarray[Any, Any]:
        """Sample vectors."""
        rng = np.random.default_rng(from_ms)
        return rng.standard_normal((count, FEATURE_COUNT)).astype(np.float32)

    def past_psi(self, _count: int) -> dict[str, list[float]]:
        """Read earlier drift."""
        return {}

    def write(self, kind: str, documents: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Write documents."""
        self.written.setdefault(kind, {}).update(dict(documents))


class Run:
    """A scoreboard over a market, with a clock that the test moves."""

    def __init__(self, skill: float) -> None:
        self.store = MemoryStore(market(skill))
        self.alerts: list[Alert] = []
        self.now = START + 10 * 60_000 + LAG_MS
        self.rolled: list[str] = []
        self.board = Scoreboard(
            ScoreboardSettings(window_minutes=10),
            self.store,
            self._send,
            lambda: self.now,
            self._rollback,
        )

    def _rollback(self, model: str, _reason: str) -> dict[str, Any]:
        self.rolled.append(model)
        return {"time": self.now, "event": "rolled_back", "model": model, "v": 1}

    def _send(self, alerts: Sequence[Alert]) -> None:
        self.alerts += alerts

    def to_the_end(self) -> None:
        """Do a round each five minutes until the market's end."""
        while self.now < START + MINUTES * 60_000:
            self.board.tick()
            self.now += 300_000


def test_a_round_writes_declared_documents_for_scores_and_drift() -> None:
    """Scores and drift are written with ids of their own and declared fields."""
    run = Run(0.05)
    run.to_the_end()
    for kind in ("scores", "drift"):
        documents = run.store.written[kind]
        assert documents
        assert all(one.keys() <= PROPERTIES[kind].keys() for one in documents.values())  # type: ignore[index]
    assert not [alert for alert in run.alerts if alert.rule == "model_worse_than_base"]


def test_a_model_that_is_surely_wrong_is_told() -> None:
    """Predictions against the truth are worse than the base rate: an alert says so."""
    run = Run(-0.3)
    run.to_the_end()
    worse = [alert for alert in run.alerts if alert.rule == "model_worse_than_base"]
    assert worse
    assert worse[0].evidence["low"] > 0
    assert set(run.rolled) == {"m:1"}
    assert run.store.written["models"]
    assert run.board.worse is not None
    assert run.board.worse[0] == "m:1"


def test_an_outage_loses_and_repeats_nothing() -> None:
    """After a failed round the next one reads on from where the last good read ended."""
    calm, rough = Run(0.05), Run(0.05)
    calm.to_the_end()
    rough.board.tick()
    rough.now += 300_000
    rough.store.broken = True
    with pytest.raises(ScoreboardError):
        rough.board.tick()
    rough.store.broken = False
    rough.to_the_end()
    last = max(document["time"] for document in calm.store.written["scores"].values())
    newest = [
        {name: one for name, one in run.store.written["scores"].items() if one["time"] == last}
        for run in (calm, rough)
    ]
    assert newest[0] == newest[1]


def test_a_busy_market_is_kept_in_bounded_memory_over_the_whole_window(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of too many orders each minute keeps its even share, and the window stays whole."""
    monkeypatch.setattr(live, "MAX_OUTCOMES", 400)
    run = Run(0.0)
    run.to_the_end()
    kept = run.board.outcomes
    assert kept is not None
    assert 200 <= len(kept) <= 400
    minutes = (kept.time_ms - kept.time_ms[0]) // 60_000
    assert np.bincount(minutes).max() <= 2 * 400 // 20
    assert kept.time_ms[-1] - kept.time_ms[0] > 15 * 60_000
