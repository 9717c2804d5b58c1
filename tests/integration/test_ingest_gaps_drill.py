"""Connections that break, end to end: what is missing lies in gaps that say so."""

from __future__ import annotations

import asyncio
import json
import time
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from support.eventually import eventually_async
from support.simulator import RunningSimulator, running_simulator

from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.connection import Feed, FeedOptions
from cryptostream.ingest.gap_metrics import GapMetrics
from cryptostream.ingest.gaps import GapLedger
from cryptostream.ingest.ledger import GapKeeper
from cryptostream.ingest.liveness import Limits
from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.parse import Source
from cryptostream.ingest.protocol import topic_of
from cryptostream.ingest.recent import Recent

if TYPE_CHECKING:
    from pathlib import Path

    from cryptostream.contracts.messages import Coverage, Gap
    from cryptostream.contracts.trade import Trade

pytestmark = pytest.mark.integration
SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
SOURCE = Source("bybit", "spot", "0/1")
LIMITS = Limits(silence=2.0, pong=1.5, ack=2.0)


class Memory:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.gaps: dict[str, Gap] = {}

    def offer_trade(self, trade: Trade) -> bool:
        """Keep a trade."""
        self.trades.append(trade)
        return True

    def offer_gap(self, gap: Gap) -> bool:
        """Keep the last word on a gap."""
        self.gaps[gap.gap_id] = gap
        return True

    def offer_coverage(self, _: Coverage) -> bool:
        """Pass it over."""
        return True

    async def room(self) -> None:
        """There is always room."""


class Drill:
    """One feed of all symbols and its gap keeper."""

    def __init__(self, exchange: RunningSimulator) -> None:
        self.exchange = exchange
        self.sink = Memory()
        self.ledger = GapLedger("bybit", "spot", instance="pod-1", shard="0/1")
        self.recent = Recent(exchange.http, "spot", Backoff(Random(1)))
        sink: Any = self.sink
        self.feed = Feed(
            FeedOptions(exchange.websocket, limits=LIMITS, ping_seconds=0.5),
            [topic_of(symbol) for symbol in SYMBOLS],
            source=SOURCE,
            sink=sink,
            metrics=Metrics(),
            backoff=Backoff(Random(1), base=1.0, cap=2.0),
            observer=self.ledger,
        )
        self.keeper = GapKeeper(
            self.ledger,
            self.recent,
            sink,
            GapMetrics(CollectorRegistry()),
            source=SOURCE,
            instance="pod-1",
        )

    async def strike(self, **fault: object) -> None:
        """Let something go wrong, and wait until its gaps are closed or stand."""
        known = len(self.sink.gaps)
        await asyncio.to_thread(self.exchange.post, "/simulator/faults", json.dumps(fault).encode())

        async def settled() -> bool:
            return len(self.sink.gaps) > known and self.feed.ready and self.is_quiet()

        await eventually_async(settled, within=60.0, poll=0.2)

    def is_quiet(self) -> bool:
        """Tell whether every gap has had its last word."""
        return not any(track.gaps for track in self.ledger._tracks.values())

    def is_excused(self, trade: dict[str, Any]) -> bool:
        """Tell whether a gap says that this trade may be missing."""
        return any(
            gap.symbol == trade["symbol"]
            and gap.from_time <= trade["trade_time"] <= gap.to_time
            and (gap.state == "open" or trade["trade_time"] < gap.repaired_from)
            for gap in self.sink.gaps.values()
        )


async def test_what_is_missing_with_one_connection_lies_in_open_gaps(tmp_path: Path) -> None:
    """Cuts and a half-open peer, longer than REST's rows; all else came, live or stitched."""
    with running_simulator(tmp_path, symbols=",".join(SYMBOLS), rate=120) as exchange:
        drill = Drill(exchange)
        running = [asyncio.create_task(work) for work in (drill.feed.run(), drill.keeper.run())]

        async def flowing() -> bool:
            return {trade.symbol for trade in drill.sink.trades} == set(SYMBOLS)

        await eventually_async(flowing, within=30.0)
        began = time.time_ns() // 1_000_000
        await drill.strike(kind="close", code=1006)
        await drill.strike(kind="half_open", seconds=2)
        await drill.strike(kind="reset")
        exchange.post("/simulator/pause")
        truth = [json.loads(line) for line in exchange.text("/simulator/ledger?all=1").splitlines()]

        async def complete() -> bool:
            had = {trade.trade_id for trade in drill.sink.trades}
            since = [trade for trade in truth if trade["trade_time"] >= began]
            missing = [trade for trade in since if trade["trade_id"] not in had]
            assert all(drill.is_excused(trade) for trade in missing), missing
            return bool(since)

        await eventually_async(complete, within=10.0)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        drill.recent.close()
    states = [gap.state for gap in drill.sink.gaps.values()]
    assert len(states) >= 3 * len(SYMBOLS)
    assert {"repaired", "partly_repaired"} <= set(states)
    stitched = [trade.trade_id for trade in drill.sink.trades if trade.origin == "stitched"]
    assert len(stitched) == len(set(stitched)) == sum(g.stitched for g in drill.sink.gaps.values())
