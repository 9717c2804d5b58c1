"""The whole of ingest: symbols, sink and feeds, from start to the last delivery."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.topics import trades_topic
from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.concurrency import first_of
from cryptostream.ingest.connection import Feed, FeedOptions
from cryptostream.ingest.instruments import InstrumentsError, choose, fetch_instruments
from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.parse import Source
from cryptostream.ingest.protocol import per_connection, topic_of
from cryptostream.ingest.server import Status, serve
from cryptostream.ingest.sharding import Shard, owned
from cryptostream.ingest.sink import KafkaSink

if TYPE_CHECKING:
    from random import Random

    from cryptostream.ingest.settings import IngestSettings

#: A shutdown may take 5 s in all.
FLUSH_SECONDS: Final = 4.0

log = logging.getLogger(__name__)


class Service:
    """One ingest process."""

    def __init__(self, settings: IngestSettings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._shard = Shard.parse(settings.shard)
        self._metrics = Metrics()
        self._feeds: list[Feed] = []
        self._started = False
        self._sink = KafkaSink(
            settings.bootstrap_servers,
            trades_topic(settings.exchange),
            self._metrics,
            client_id=f"cryptostream-ingest-{self._shard.index}",
        )

    def status(self) -> Status:
        """Say whether all is subscribed and flowing, and if not, what is awaited."""
        return Status(
            ready=self._started and self._sink.ready and all(feed.ready for feed in self._feeds),
            reason=self._awaited(),
            connected=sum(feed.connected for feed in self._feeds),
            subscribed=sum(feed.subscribed for feed in self._feeds),
            refused=sum(len(feed.refused) for feed in self._feeds),
            queue_depth=len(self._sink),
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Run until `stop` is set and give the number of messages that stayed behind.

        Raises `SettingsError` for settings that can't be used and other `CryptostreamError`s for
        what only a restart can mend.
        """
        settings = self._settings
        async with serve(
            settings.metrics_host, settings.metrics_port, self._metrics, self.status
        ) as port:
            log.info("started", extra={"fields": {"port": port, "shard": self._shard}})
            try:
                await first_of(_wait(stop), self._sink.run(), self._work())
            finally:
                left = await self._sink.close(FLUSH_SECONDS)
                log.info("stopped", extra={"fields": {"left_behind": left}})
        return left

    async def _work(self) -> None:
        symbols = owned(await self._symbols(), self._shard)
        await self._sink.start()
        groups = per_connection(topic_of(symbol) for symbol in symbols)
        self._feeds = [self._feed(topics) for topics in groups]
        self._started = True
        log.info("reading", extra={"fields": {"symbols": len(symbols)}})
        if self._feeds:
            await first_of(*(feed.run() for feed in self._feeds))
        else:
            # A shard that owns nothing has nothing to do, and is ready to do it.
            await _wait(asyncio.Event())

    def _feed(self, topics: list[str]) -> Feed:
        settings = self._settings
        source = Source(settings.exchange, settings.category, str(self._shard))
        options = FeedOptions(url=settings.ws_url)
        return Feed(
            options,
            topics,
            source=source,
            sink=self._sink,
            metrics=self._metrics,
            backoff=Backoff(self._rng),
        )

    async def _symbols(self) -> list[str]:
        settings = self._settings
        wanted = settings.symbol_list
        try:
            instruments = await fetch_instruments(
                settings.rest_url, settings.category, Backoff(self._rng)
            )
        except InstrumentsError as error:
            if not wanted:
                raise
            # The exchange's refusal of an unknown topic finds a wrong name as well, only later.
            log.warning("symbols_not_checked", extra={"fields": {"error": error}})
            return wanted
        return choose(instruments, wanted, settings.quote)

    def _awaited(self) -> str:
        if not self._started:
            return "starting"
        if not self._sink.ready:
            return "kafka is out of reach"
        if not all(feed.connected for feed in self._feeds):
            return "connecting to the exchange"
        if not all(feed.ready for feed in self._feeds):
            return "subscribing"
        return "ok"


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()
