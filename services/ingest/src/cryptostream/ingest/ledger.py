"""The gap keeper: publishes gaps and coverage, and closes what can be closed.

An ended gap is closed in this order:

1. `covered`: another instance has reported that it received the symbol without interruption.
2. `repaired`: the newest trades of REST overlap both ends. They are asked for at once, since
   60 rows of a busy symbol reach back some seconds only; those that nobody had are produced.
3. Otherwise the others have some seconds more to report that they covered it.
4. Otherwise it stands as `partly_repaired` or `open`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final, Protocol

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import Coverage, Gap
from cryptostream.ingest.gaps import FRESH_MS, GapLedger
from cryptostream.ingest.stitch import LATE_MS, Ids, Stitch, stitch, trades_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.contracts.trade import Trade
    from cryptostream.ingest.gap_metrics import GapMetrics
    from cryptostream.ingest.parse import Source
    from cryptostream.ingest.stitch import Row

TELL_SECONDS: Final = 1.0
COVERAGE_SECONDS: Final = 5.0
#: Others report each 5 s, and only a report of `FRESH_MS` after the gap's end counts.
OTHERS_MS: Final = 15_000
#: Rows without an overlap are fetched so often, `LATE_MS` apart, until the stream brings trades.
JOINING: Final = 6
#: Gaps that are worked on at a time; the others wait their turn.
CLOSING: Final = 1_000
FETCHING: Final = 8
log = logging.getLogger(__name__)


class Sink(Protocol):
    """Where trades, gaps and coverage go; `offer_*` says False while there is no room."""

    def offer_trade(self, trade: Trade) -> bool:
        """Queue a trade."""

    def offer_gap(self, gap: Gap) -> bool:
        """Queue what is known of a gap."""

    def offer_coverage(self, coverage: Coverage) -> bool:
        """Queue what this instance receives."""

    async def room(self) -> None:
        """Wait until there may be room."""


class Fetcher(Protocol):
    """Gives a symbol's newest trades, newest first, or None if they can't be had."""

    requests: int

    async def fetch(self, symbol: str) -> list[Row] | None:
        """Fetch them."""


class GapKeeper:
    """Works on the ledger's gaps for as long as the process runs.

    Args:
        ledger: what the connections tell.
        recent: the newest trades.
        sink: where all goes.
        metrics: what of it is counted.
        source: whose trades these are.
        instance: who we are in `Coverage`.
        covers: whether another instance received a symbol over [from, to], epoch milliseconds.
        members: how many instances there are, we included.
        wall_ms: the time, epoch milliseconds.
    """

    def __init__(
        self,
        ledger: GapLedger,
        recent: Fetcher,
        sink: Sink,
        metrics: GapMetrics,
        *,
        source: Source,
        instance: str,
        covers: Callable[[str, int, int], bool] = lambda _symbol, _from, _to: False,
        members: Callable[[], int] = lambda: 1,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._ledger = ledger
        self._recent = recent
        self._sink = sink
        self._metrics = metrics
        self._source = source
        self._instance = instance
        self._covers = covers
        self._members = members
        self._wall_ms = wall_ms
        self._untold: list[Gap] = []
        self._closing: dict[str, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(FETCHING)
        self._next_coverage = 0.0

    async def run(self) -> None:
        """Keep the ledger's word for ever; raises what nobody foresaw."""
        try:
            while True:
                self._reap()
                self._start_closing()
                self.tell()
                await asyncio.sleep(TELL_SECONDS)
        finally:
            for task in self._closing.values():
                task.cancel()
            await asyncio.gather(*self._closing.values(), return_exceptions=True)
            self.tell()

    def tell(self) -> None:
        """Publish what changed; what finds no room waits, and the ledger waits with it."""
        now_ms = self._wall_ms()
        if not self._untold:
            self._untold = self._ledger.tell(now_ms)
            self._metrics.told(self._untold)
        while self._untold and self._sink.offer_gap(self._untold[0]):
            del self._untold[0]
        if time.monotonic() >= self._next_coverage:
            self._next_coverage = time.monotonic() + COVERAGE_SECONDS
            self._tell_coverage(now_ms)

    def _tell_coverage(self, now_ms: int) -> None:
        source = self._source
        rates = self._ledger.rates(now_ms)
        self._sink.offer_coverage(
            Coverage(
                exchange=source.exchange,
                category=source.category,
                instance=self._instance,
                time=now_ms,
                since=self._ledger.since(now_ms),
                rates=rates,
            )
        )
        self._metrics.looked(self._ledger.open_ms(now_ms), rates, self._recent.requests)

    def _start_closing(self) -> None:
        for gap in self._ledger.due(self._wall_ms()):
            if len(self._closing) >= CLOSING:
                break
            if gap.gap_id not in self._closing:
                self._closing[gap.gap_id] = asyncio.create_task(self._close(gap))

    def _reap(self) -> None:
        """Take finished work off the list; raises what it raised."""
        for gap_id in [name for name, task in self._closing.items() if task.done()]:
            self._closing.pop(gap_id).result()

    async def _close(self, gap: Gap) -> None:
        if self._covered(gap):
            self._ledger.settle(gap, "covered", repaired_from=gap.from_time)
            return
        gap, outcome, stitched = await self._stitch(gap)
        gap = self._ledger.renewed(gap, self._wall_ms())
        state, since = outcome.state, outcome.repaired_from
        if state != "repaired" and await self._others_cover(gap):
            state, since = "covered", gap.from_time
        self._ledger.settle(gap, state, repaired_from=since, stitched=stitched)
        fields = {"gap": gap.gap_id, "state": state, "stitched": stitched}
        log.info("gap_closed", extra={"fields": fields})

    def _covered(self, gap: Gap) -> bool:
        # What an instance reports is proven up to FRESH_MS before the report.
        return self._covers(gap.symbol, gap.from_time, gap.to_time + FRESH_MS)

    async def _others_cover(self, gap: Gap) -> bool:
        """Wait for the others' next reports, if there are others."""
        while not self._covered(gap):
            if self._members() <= 1 or self._wall_ms() > gap.to_time + OTHERS_MS:
                return False
            await asyncio.sleep(TELL_SECONDS)
        return True

    async def _stitch(self, gap: Gap) -> tuple[Gap, Stitch, int]:
        """Fetch until the rows tell something of the gap's end, or it is no use to go on.

        Give also the gap as it was by then, and how many trades were new.
        """
        known, outcome, stitched = await self._stitch_once(gap)
        for attempt in range(JOINING):
            _, after, _ = self._ledger.known(gap)
            if outcome.state != "open" or (after and attempt):
                break
            late = known.to_time + (attempt + 1) * LATE_MS - self._wall_ms()
            await asyncio.sleep(max(0, late) / 1000)
            known, outcome, more = await self._stitch_once(gap)
            stitched += more
        return known, outcome, stitched

    async def _stitch_once(self, gap: Gap) -> tuple[Gap, Stitch, int]:
        async with self._turns:
            asked_ms = self._wall_ms()
            rows = await self._recent.fetch(gap.symbol)
        gap = self._ledger.renewed(gap, self._wall_ms())
        ids = Ids(*self._ledger.known(gap))
        outcome = stitch(gap, ids, rows or [], asked_ms=asked_ms)
        try:
            trades = trades_of(outcome.missed, self._source, self._wall_ms())
        except ContractError as error:
            log.warning("bad_recent_trade", extra={"fields": {"error": error}})
            return gap, Stitch((), "open", gap.to_time), 0
        # Before anything is awaited, so that no other gap of the symbol takes them as well.
        self._ledger.stitched(gap.symbol, (trade.trade_id for trade in trades))
        for trade in trades:
            while not self._sink.offer_trade(trade):
                await self._sink.room()
            self._metrics.stitched.inc()
        return gap, outcome, len(trades)
