"""The whole of ingest: symbols, instances, sink, feeds and gaps, to the last delivery."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.topics import trades_topic
from cryptostream.ingest.assigner import Assigner
from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.budget import Budget
from cryptostream.ingest.concurrency import first_of, until
from cryptostream.ingest.connection import Feed, FeedOptions
from cryptostream.ingest.feeds import Feeds
from cryptostream.ingest.gap_metrics import GapMetrics
from cryptostream.ingest.gaps import GapLedger
from cryptostream.ingest.instruments import Catalogue, Choice
from cryptostream.ingest.ledger import GapKeeper
from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.parse import Source
from cryptostream.ingest.peers import Peers
from cryptostream.ingest.recent import Recent
from cryptostream.ingest.roster import LeaseRoster, Roster, StaticRoster
from cryptostream.ingest.server import Status, serve
from cryptostream.ingest.sharding import Shard
from cryptostream.ingest.sink import KafkaSink

if TYPE_CHECKING:
    from collections.abc import Collection
    from random import Random

    from cryptostream.ingest.settings import IngestSettings

#: At a shutdown the others have so long to take our symbols over before we stop reading.
LEAVE_SECONDS: Final = 5.0
#: What delivering may take at the end of a process that failed.
FLUSH_SECONDS: Final = 4.0
#: Kept of the grace period for what is neither handing over nor delivering.
SPARE_SECONDS: Final = 1.0
#: What was reported before us is awaited so long, as it tells what we missed.
HEAR_SECONDS: Final = 5.0

log = logging.getLogger(__name__)


class Service:
    """One ingest process."""

    def __init__(self, settings: IngestSettings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._metrics = Metrics()
        self._budget = Budget(settings.connection_budget)
        self._leaving, self._released = asyncio.Event(), False
        self._deadline: float | None = None
        self._started = False
        self._catalogue = Catalogue(
            settings.rest_url,
            settings.category,
            Choice(tuple(settings.symbol_list), settings.quote, tuple(settings.deny_list)),
            lambda: Backoff(rng),
        )
        self._roster = _roster(settings, rng, self._metrics)
        shared = settings.coordination == "lease"
        self._source = Source(
            settings.exchange, settings.category, self._roster.me if shared else settings.shard
        )
        self._peers = Peers(
            settings.bootstrap_servers,
            self._roster.me,
            wall_ms=_wall_ms,
            exchange=settings.exchange,
            category=settings.category,
        )
        self._ledger = GapLedger(
            settings.exchange,
            settings.category,
            instance=self._roster.me,
            shard=self._source.shard,
            told_until=self._peers.told_until,
        )
        self._sink = KafkaSink(
            settings.bootstrap_servers,
            trades_topic(settings.exchange),
            self._metrics,
            client_id=f"cryptostream-ingest-{self._roster.me}",
            observer=self._ledger,
        )
        self._feeds = Feeds(self._feed, lanes=settings.connections)
        self._assigner = Assigner(
            self._roster, self._peers, self._feeds.want, replicas=settings.owners
        )

    def status(self) -> Status:
        """Say whether all is subscribed and flowing, and if not, what is awaited."""
        feeds = self._feeds
        reason = self._awaited()
        return Status(
            ready=reason == "ok",
            reason=reason,
            connected=feeds.connected,
            subscribed=feeds.subscribed,
            refused=feeds.refused,
            silent=feeds.silent,
            unanswered_s=feeds.unanswered,
            symbols=feeds.symbols,
            listed=len(self._assigner.listed),
            members=len(self._roster.members()),
            connection_budget=self._budget.left(time.monotonic()),
            queue_depth=len(self._sink),
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Run until `stop` is set and give the number of messages that stayed behind.

        1. Release what is ours, so that others take over at once.
        2. Read on until they receive our symbols, at most `LEAVE_SECONDS`.
        3. Close the connections.
        4. Deliver what is queued, within what is left of the grace period.

        Raises `SettingsError` for settings that can't be used and other `CryptostreamError`s for
        what only a restart can mend.
        """
        settings = self._settings
        async with serve(
            settings.metrics_host, settings.metrics_port, self._metrics, self.status
        ) as port:
            fields = {"port": port, "shard": self._source.shard, "instance": self._roster.me}
            log.info("started", extra={"fields": fields})
            try:
                await first_of(self._leave(stop), self._sink.run(), self._work())
            finally:
                left = await self._sink.close(self._time_left())
                log.info("stopped", extra={"fields": {"left_behind": left}})
        return left

    async def _leave(self, stop: asyncio.Event) -> None:
        """Return once nobody needs us any more after `stop`."""
        await stop.wait()
        self._deadline = time.monotonic() + self._settings.grace_seconds
        self._leaving.set()
        log.info("stopping")
        if self._settings.coordination == "static" or len(self._roster.members()) == 1:
            return  # nobody takes over
        patience = min(LEAVE_SECONDS, self._settings.grace_seconds / 2)
        if not await until(self._has_heirs, within=patience):
            log.warning("left_without_heirs", extra={"fields": {"waited_s": patience}})

    def _has_heirs(self) -> bool:
        return self._released and self._assigner.handed_over()

    def _time_left(self) -> float:
        """Give the seconds that delivering may take."""
        if self._deadline is None:
            return FLUSH_SECONDS
        return max(SPARE_SECONDS, self._deadline - time.monotonic() - SPARE_SECONDS)

    async def _work(self) -> None:
        instruments_due = asyncio.create_task(self._catalogue.first())
        try:
            await self._sink.start()
            symbols = await instruments_due
        finally:
            instruments_due.cancel()
        self._assigner.list_symbols(symbols)
        self._started = True
        log.info("reading", extra={"fields": {"listed": len(symbols)}})
        recent = Recent(
            self._settings.rest_url,
            self._settings.category,
            Backoff(self._rng),
            members=self._count_members,
        )
        keeper = GapKeeper(
            self._ledger,
            recent,
            self._sink,
            GapMetrics(self._metrics.registry),
            source=self._source,
            instance=self._roster.me,
            covers=self._peers.covers,
            members=self._count_members,
        )
        try:
            await first_of(
                self._peers.run(),
                self._hold_membership(),
                self._follow_roster(),
                self._feeds.run(),
                keeper.run(),
                self._catalogue.poll(
                    self._settings.instruments_seconds, self._assigner.list_symbols
                ),
            )
        finally:
            recent.close()

    async def _hold_membership(self) -> None:
        """Be a member until we leave, and then at once no more."""
        await first_of(self._roster.run(), _wait(self._leaving))
        await self._roster.close()
        self._released = True
        await _wait(asyncio.Event())

    async def _follow_roster(self) -> None:
        """Read what is ours, once we know what was reported before us."""
        await until(lambda: self._peers.heard, within=HEAR_SECONDS)
        await first_of(self._assigner.run(), _wait(self._leaving))
        # What we read until the others have it does not change any more.
        await _wait(asyncio.Event())

    def _feed(self, name: str, topics: Collection[str]) -> Feed:
        return Feed(
            FeedOptions(url=self._settings.stream_url),
            topics,
            source=self._source,
            sink=self._sink,
            metrics=self._metrics,
            backoff=Backoff(self._rng),
            name=name,
            observer=self._ledger,
            budget=self._budget,
        )

    def _awaited(self) -> str:
        feeds = self._feeds
        if not self._started:
            return "starting"
        if not self._sink.ready:
            return "kafka is out of reach"
        if not self._assigner.assigned:
            return "looking for the other instances"
        if not feeds.all_connected:
            return "connecting to the exchange"
        return "ok" if feeds.ready else "subscribing"

    def _count_members(self) -> int:
        return len(self._roster.members())


def _roster(settings: IngestSettings, rng: Random, metrics: Metrics) -> Roster:
    if settings.coordination == "static":
        return StaticRoster(Shard.parse(settings.shard))
    # The client of Kubernetes takes a second and 20 MB, which only pods shall pay.
    from cryptostream.ingest.leases import connect  # noqa: PLC0415

    store = connect(
        settings.pod_name,
        f"{settings.exchange}-{settings.category}",
        namespace=settings.pod_namespace,
        kubeconfig=settings.kubeconfig,
        pod_uid=settings.pod_uid,
    )
    return LeaseRoster(
        store,
        settings.pod_name,
        rng,
        on_failure=lambda verb: metrics.lease_failures.labels(verb).inc(),
    )


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
