"""The gap keeper: how gaps are closed, and what is told of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from prometheus_client import CollectorRegistry
from support.eventually import eventually_async
from support.ingest_trades import NOW, live

from cryptostream.ingest.gap_metrics import MAX_CAUSES, GapMetrics, group_of
from cryptostream.ingest.gaps import FRESH_MS, GapLedger
from cryptostream.ingest.ledger import COVERAGE_SECONDS, OTHERS_MS, GapKeeper
from cryptostream.ingest.parse import Source
from cryptostream.ingest.stitch import LATE_MS, Row

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.contracts.messages import Coverage, Gap
    from cryptostream.contracts.trade import Trade

X = "XUSDT"


class Shelf:
    """A sink that keeps what is offered, and has no room when told so."""

    def __init__(self) -> None:
        self.full = False
        self.trades: list[Trade] = []
        self.gaps: list[Gap] = []
        self.coverage: list[Coverage] = []

    def offer_trade(self, trade: Trade) -> bool:
        """Keep a trade."""
        self.trades.append(trade)
        return True

    def offer_gap(self, gap: Gap) -> bool:
        """Keep a gap, if there is room."""
        if not self.full:
            self.gaps.append(gap)
        return not self.full

    def offer_coverage(self, coverage: Coverage) -> bool:
        """Keep a coverage."""
        self.coverage.append(coverage)
        return True

    async def room(self) -> None:
        """Never called: trades always find room here."""


class Exchange:
    """Gives its rows in turn, the last ones for ever."""

    def __init__(self, *answers: list[Row] | None) -> None:
        self.requests = 0
        self._answers = answers

    async def fetch(self, _: str) -> list[Row] | None:
        """Give the next answer."""
        self.requests += 1
        return self._answers[min(self.requests, len(self._answers)) - 1]


def rows(*times: int) -> list[Row]:
    """Give rows whose ids are their times after `NOW`, listed oldest first."""
    return [Row(str(time), X, "1", "1", "Buy", NOW + time) for time in reversed(times)]


class Stage:
    """A keeper of a symbol that was away from 10 to 1,000, with a clock that naps move."""

    def __init__(
        self,
        *answers: list[Row] | None,
        covers: Callable[[str, int, int], bool] = lambda *_: False,
        members: int = 1,
    ) -> None:
        self.now = NOW + 1_000
        self.registry = CollectorRegistry()
        self.sink, self.exchange = Shelf(), Exchange(*answers)
        source = Source("bybit", "spot", "0/1")
        self.ledger = GapLedger("bybit", "spot", instance="pod-1", shard="0/1", margin_ms=0)
        self.keeper = GapKeeper(
            self.ledger,
            self.exchange,
            self.sink,
            GapMetrics(self.registry),
            source=source,
            instance="pod-1",
            covers=covers,
            members=lambda: members,
            wall_ms=lambda: self.now,
        )
        self.ledger.subscribed([X], "a", NOW)
        self.ledger.received([live(X, 10, NOW + 10)], "a")
        self.ledger.lost([X], "a", NOW + 900, "closed")
        self.ledger.subscribed([X], "a", NOW + 1_000)
        self.ledger.received([live(X, 1_001, NOW + 1_001)], "a")

    async def closed(self) -> Gap:
        """Let the keeper work on the gap; give its last word."""
        (gap,) = self.ledger.due(self.now)
        await self.keeper._close(gap)
        self.keeper.tell()
        return self.sink.gaps[-1]


@pytest.fixture(autouse=True)
def _naps_move_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Naps take no time here; the stages read their clocks from what was napped."""
    nap = asyncio.sleep

    async def move(seconds: float) -> None:
        for stage in STAGES:
            stage.now += int(seconds * 1000)
        await nap(0)

    STAGES.clear()
    monkeypatch.setattr("cryptostream.ingest.ledger.asyncio.sleep", move)


STAGES: list[Stage] = []


def staged(stage: Stage) -> Stage:
    """Let naps move this stage's clock."""
    STAGES.append(stage)
    return stage


async def test_overlapping_rows_repair_a_gap_and_are_produced() -> None:
    """Once, with the origin that says so, and the ledger knows them from then on."""
    stage = staged(Stage(rows(5, 10, 20, 30, 1_001)))
    gap = await stage.closed()
    assert (gap.state, gap.stitched, gap.repaired_from) == ("repaired", 2, NOW + 10)
    assert [trade.trade_id for trade in stage.sink.trades] == ["20", "30"]
    assert {trade.origin for trade in stage.sink.trades} == {"stitched"}
    assert stage.exchange.requests == 1
    assert stage.ledger.due(stage.now) == []


async def test_what_others_covered_needs_no_request() -> None:
    """Their report must be of a time at which it proves the gap's end."""
    asked: list[tuple[str, int, int]] = []

    def covers(symbol: str, start: int, end: int) -> bool:
        asked.append((symbol, start, end))
        return True

    stage = staged(Stage(None, covers=covers, members=2))
    gap = await stage.closed()
    assert (gap.state, gap.repaired_from) == ("covered", gap.from_time)
    assert stage.exchange.requests == 0
    assert asked == [(X, NOW + 10, NOW + 1_001 + FRESH_MS)]


async def test_late_rows_are_fetched_once_more() -> None:
    """After the time that REST may need."""
    stage = staged(Stage(rows(5, 10), rows(5, 10, 20, 1_001)))
    gap = await stage.closed()
    assert (gap.state, gap.stitched, stage.exchange.requests) == ("repaired", 1, 2)
    assert stage.now >= gap.to_time + LATE_MS


async def test_rows_that_do_not_reach_back_repair_a_part() -> None:
    """Alone there is nobody to wait for."""
    stage = staged(Stage(rows(500, 1_001)))
    gap = await stage.closed()
    assert (gap.state, gap.repaired_from, gap.stitched) == ("partly_repaired", NOW + 501, 1)
    assert stage.now == NOW + 1_000


async def test_others_have_time_for_their_next_report() -> None:
    """It may turn a gap that REST could not close into a covered one."""
    stage = staged(Stage(rows(500, 1_001), covers=lambda *_: stage.now > NOW + 9_000, members=2))
    gap = await stage.closed()
    assert (gap.state, gap.stitched) == ("covered", 1)
    silent = staged(Stage(None, members=2))
    assert (await silent.closed()).state == "open"
    assert silent.now >= NOW + 1_000 + OTHERS_MS


async def test_a_bad_row_leaves_the_gap_open() -> None:
    """What can't be produced is not repaired."""
    bad = [*rows(1_001), Row("20", X, "-1", "1", "Buy", NOW + 20), *rows(5, 10)]
    stage = staged(Stage(bad))
    gap = await stage.closed()
    assert (gap.state, gap.stitched, stage.sink.trades) == ("open", 0, [])


async def test_a_full_queue_delays_the_word_and_loses_none() -> None:
    """The ledger keeps what was not told."""
    stage = staged(Stage(None))
    stage.sink.full = True
    stage.keeper.tell()
    stage.ledger.lost([X], "a", NOW + 2_000, "closed")
    stage.keeper.tell()
    assert stage.sink.gaps == []
    stage.sink.full = False
    stage.keeper.tell()
    stage.keeper.tell()
    assert [gap.from_time - NOW for gap in stage.sink.gaps] == [10, 1_001]


async def test_it_runs_until_it_is_stopped() -> None:
    """Each change once, a coverage now and then, and the metrics follow."""
    stage = staged(Stage(rows(5, 10, 20, 1_001)))
    running = asyncio.create_task(stage.keeper.run())

    async def closed() -> bool:
        return len(stage.sink.gaps) == 2

    await eventually_async(closed, within=10.0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [gap.state for gap in stage.sink.gaps] == ["open", "repaired"]
    (coverage,) = stage.sink.coverage
    assert (coverage.instance, coverage.since) == ("pod-1", {X: NOW + 1_001})
    read = stage.registry.get_sample_value
    gaps = "cryptostream_ingest_gaps_total"
    assert read(gaps, {"cause": "closed", "state": "repaired"}) == 1
    assert read("cryptostream_ingest_trades_stitched_total") == 1
    assert read("cryptostream_ingest_open_gap_seconds", {"group": "quiet"}) == pytest.approx(0.991)
    assert COVERAGE_SECONDS > 1.0


def test_labels_are_few() -> None:
    """Whatever causes there are, and whatever symbols."""
    registry = CollectorRegistry()
    metrics = GapMetrics(registry)
    ledger = GapLedger("bybit", "spot", instance="pod-1", shard="0/1")
    for number in range(100):
        ledger.dropped(f"S{number}", NOW, NOW + 1, f"cause-{number}")
    metrics.told(ledger.tell(NOW))
    samples = [s for m in registry.collect() for s in m.samples if s.name.endswith("gaps_total")]
    assert len(samples) == MAX_CAUSES + 1
    assert [group_of(rate) for rate in (5.0, 1.0, 0.5, 0.01, 0.0)] == [
        "busy",
        "busy",
        "usual",
        "quiet",
        "quiet",
    ]
