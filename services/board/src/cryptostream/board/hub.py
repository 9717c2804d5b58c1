"""One poller for all viewers: asks what is new, renders it once, leaves it in every mailbox.

A poll:
1. asks for trades and candles written since the last poll (`feed.Feed`);
2. takes them into the `Market`;
3. sends each symbol that someone looks at its tick, and every second all viewers a pulse.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from cryptostream.board import parse, queries, view_queries
from cryptostream.board.feed import Feed, News
from cryptostream.board.lag import LagError
from cryptostream.board.market import Health, Lag, Market
from cryptostream.board.model import AlertDocument, CandleDocument, TradeDocument
from cryptostream.board.search import Search, SearchError
from cryptostream.board.viewers import Viewers, event
from cryptostream.contracts.errors import Failure
from cryptostream.contracts.indices import CANDLES_INDICES, PREFIX, TRADES_INDICES

if TYPE_CHECKING:
    from cryptostream.board.metrics import Metrics

log = logging.getLogger(__name__)

PULSE_SECONDS: Final = 1.0
LAG_SECONDS: Final = 2.0
ALERTS_SECONDS: Final = 1.0
ALERTS_INDICES: Final = f"{PREFIX}-alerts-*"
SUMMARY_SECONDS: Final = 5.0
MAX_BACKOFF_SECONDS: Final = 3.0
#: Read again at the start, so that pressure and tape are not empty.
TRADES_BACKFILL: Final = 5_000
CANDLES_BACKFILL: Final = 0


class ReadsLag(Protocol):
    """What the hub needs of `LagReader`."""

    def read(self) -> Lag:
        """Read the lag now, blocking; raises `LagError`."""


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Hub:
    """Keeps the market up to date and the viewers informed, until it is cancelled."""

    def __init__(
        self, search: Search, lag: ReadsLag, viewers: Viewers, metrics: Metrics, poll_ms: int
    ) -> None:
        self.market = Market(now_ms())
        self.viewers = viewers
        self._search = search
        self._lag = lag
        self._metrics = metrics
        self._poll_seconds = poll_ms / 1000
        self._trades = Feed(
            search, TRADES_INDICES, queries.TRADE_FIELDS, TradeDocument, backfill=TRADES_BACKFILL
        )
        self._candles = Feed(
            search,
            CANDLES_INDICES,
            queries.CANDLE_FIELDS,
            CandleDocument,
            backfill=CANDLES_BACKFILL,
        )
        self._alerts = Feed(
            search, ALERTS_INDICES, view_queries.ALERT_FIELDS, AlertDocument, backfill=0
        )

    async def run(self) -> None:
        """Poll, pulse, and read lag and summaries, each at its own pace."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._poll_forever())
            tasks.create_task(self._pulse_forever())
            tasks.create_task(self._lag_forever())
            tasks.create_task(self._summaries_forever())
            tasks.create_task(self._alerts_forever())

    async def _poll_forever(self) -> None:
        failures = 0
        while True:
            began = time.monotonic()
            failures = 0 if await self._polled(failures) else failures + 1
            self._metrics.poll_seconds.observe(time.monotonic() - began)
            spent = time.monotonic() - began
            await asyncio.sleep(max(0.0, self._pause(failures) - spent))

    def _pause(self, failures: int) -> float:
        """Give the seconds to the next poll: longer, and jittered, while Elasticsearch is down."""
        if not failures:
            return self._poll_seconds
        longest: float = min(MAX_BACKOFF_SECONDS, self._poll_seconds * 2.0 ** min(failures, 8))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 (jitter, no secret)

    async def _polled(self, failures: int) -> bool:
        try:
            await self.poll()
        except SearchError as error:
            self._metrics.polls.labels(error.failure.value).inc()
            if failures or error.failure is not Failure.TRANSIENT:
                # One failed poll alone is no outage: a new day's index isn't there at once.
                self._note("elasticsearch", self.market.elasticsearch, ok=False, detail=str(error))
            return False
        self._metrics.polls.labels("ok").inc()
        self._note("elasticsearch", self.market.elasticsearch, ok=True, detail="")
        return True

    async def poll(self) -> None:
        """Ask once and send the ticks; raises `SearchError`."""
        trades = await self._trades.poll()
        seen = now_ms()
        self.market.add_trades(trades.documents, seen, live=trades.live)
        self._count(trades)
        self._metrics.trades.inc(len(trades.documents))
        if trades.jumps:
            self.market.forget_pressure()
        candles = await self._candles.poll()
        self.market.add_candles(candles.documents)
        self._count(candles)
        for key in self.market.changed() & self.viewers.watched():
            self.viewers.send(event("tick", self.market.tick(key, seen)), key)
        self.market.clear_news()

    def _count(self, news: News[TradeDocument] | News[CandleDocument]) -> None:
        self._metrics.bad_documents.inc(news.bad)
        self._metrics.jumps.inc(news.jumps)

    async def _pulse_forever(self) -> None:
        while True:
            self.pulse()
            await asyncio.sleep(PULSE_SECONDS)

    def pulse(self) -> None:
        """Send all viewers the pipeline's state, and each instrument's pressure, which fades."""
        now = now_ms()
        for key in self.viewers.watched():
            self.viewers.send(event("tick", self.market.tick(key, now)), key)
        self.viewers.send(event("pulse", self.market.pulse(now)))
        self._metrics.viewers.set(len(self.viewers))
        self._metrics.skips.set(self.viewers.skips)

    async def _lag_forever(self) -> None:
        while True:
            try:
                self.market.lag = await asyncio.to_thread(self._lag.read)
                self._metrics.lag.set(self.market.lag.records)
                self._note("kafka", self.market.kafka, ok=True, detail="")
            except LagError as error:
                self.market.lag = None
                self._note("kafka", self.market.kafka, ok=False, detail=str(error))
            await asyncio.sleep(LAG_SECONDS)

    async def _alerts_forever(self) -> None:
        while True:
            try:
                await self.poll_alerts()
            except SearchError as error:
                log.debug("alerts_failed", extra={"fields": {"detail": str(error)}})
            await asyncio.sleep(ALERTS_SECONDS)

    async def poll_alerts(self) -> None:
        """Send all viewers the alerts written since the last time; raises `SearchError`."""
        news = await self._alerts.poll()
        self._metrics.bad_documents.inc(news.bad)
        if news.live:
            for one in news.documents:
                self.viewers.send(event("alert", msgspec.json.encode(one)))

    async def _summaries_forever(self) -> None:
        while True:
            try:
                await self.summarise()
            except SearchError as error:
                log.debug("summaries_failed", extra={"fields": {"detail": str(error)}})
            await asyncio.sleep(SUMMARY_SECONDS)

    async def summarise(self) -> None:
        """Read the day's summary of every symbol and look for indices made anew."""
        newest = parse.newest(await self._search.ask(CANDLES_INDICES, queries.newest_body()))
        if newest is not None:
            answer = await self._search.ask(CANDLES_INDICES, queries.symbols_body(newest))
            self.market.set_summaries(parse.symbols(answer))
        await self._trades.rebase()
        await self._candles.rebase()
        await self._alerts.rebase()

    def _note(self, server: str, health: Health, *, ok: bool, detail: str) -> None:
        """Record a server's health, and log it when it turns."""
        if health.ok is not ok:
            level = logging.INFO if ok else logging.WARNING
            name = "server_reached" if ok else "server_lost"
            log.log(level, name, extra={"fields": {"server": server, "detail": detail}})
        health.ok, health.detail = ok, detail
