"""The process that reads one exchange through ccxt, from start to the last delivery."""

from __future__ import annotations

import asyncio
import logging
import time
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.topics import trades_topic
from cryptostream.ingest.adapters.client import Client
from cryptostream.ingest.adapters.convert import CATEGORY, SHARD
from cryptostream.ingest.adapters.history import newest_trades
from cryptostream.ingest.adapters.metrics import AdapterMetrics
from cryptostream.ingest.adapters.reader import CcxtReader, Gate, Outlets, TradeReader
from cryptostream.ingest.adapters.topic import ensure_topic
from cryptostream.ingest.adapters.venues import VENUES, per_connection
from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.concurrency import first_of
from cryptostream.ingest.errors import ConnectionLostError
from cryptostream.ingest.gaps import GapLedger
from cryptostream.ingest.server import Status, serve
from cryptostream.ingest.sink import KafkaSink

if TYPE_CHECKING:
    from random import Random

    from cryptostream.contracts.trade import Trade
    from cryptostream.ingest.adapters.settings import ExchangesSettings

#: A shutdown may take 5 s in all.
FLUSH_SECONDS: Final = 3.0
TELL_SECONDS: Final = 1.0
log = logging.getLogger(__name__)


class Service:
    """One process for one exchange."""

    def __init__(self, settings: ExchangesSettings, rng: Random) -> None:
        self._settings = settings
        self._rng = rng
        self._venue = VENUES[settings.exchange]
        self._topic = trades_topic(settings.exchange)
        self._metrics = AdapterMetrics()
        self._readers: list[TradeReader] = []
        self._delivered: dict[str, list[Trade]] = {}
        self._ledger = GapLedger(
            settings.exchange,
            CATEGORY,
            instance=f"{SHARD}-{settings.exchange}",
            shard=SHARD,
            told_until=self._delivered_until,
        )
        self._sink = KafkaSink(
            settings.bootstrap_servers,
            self._topic,
            self._metrics,
            client_id=f"cryptostream-ingest-{settings.exchange}",
        )

    def status(self) -> Status:
        """Say whether trades come on every connection."""
        readers = self._readers
        ready = bool(readers) and self._sink.ready and all(reader.ready for reader in readers)
        return Status(
            ready=ready,
            reason="ok" if ready else self._awaited(),
            connected=sum(reader.connected for reader in readers),
            subscribed=sum(reader.subscribed for reader in readers),
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
            log.info("started", extra={"fields": {"port": port, "exchange": settings.exchange}})
            try:
                await first_of(_wait(stop), self._sink.run(), self._work())
            finally:
                await self._tell()
                left = await self._sink.close(FLUSH_SECONDS)
                log.info("stopped", extra={"fields": {"left_behind": left}})
        return left

    async def _work(self) -> None:
        catalogue = self._client()
        try:
            symbols = choose(await self._instruments(catalogue), self._settings)
        finally:
            await catalogue.close()
        if await ensure_topic(self._settings.bootstrap_servers, self._topic):
            log.info("topic_created", extra={"fields": {"topic": self._topic}})
        await self._sink.start()
        await self._remember()
        self._readers = self._make_readers(symbols, catalogue)
        fields = {"symbols": len(symbols), "connections": len(self._readers)}
        log.info("reading", extra={"fields": fields})
        await first_of(self._tell_for_ever(), *(reader.run() for reader in self._readers))

    async def _remember(self) -> None:
        """Look up what an earlier run delivered; what was missed since then is a gap."""
        for trade in await newest_trades(self._settings.bootstrap_servers, self._topic):
            self._delivered.setdefault(trade.symbol, []).append(trade)

    def _delivered_until(self, symbol: str) -> int | None:
        trades = self._delivered.get(symbol)
        return max(trade.trade_time for trade in trades) if trades else None

    def _client(self) -> Client:
        settings = self._settings
        return Client(self._venue, rest_url=settings.rest_url, ws_url=settings.ws_url)

    async def _instruments(self, catalogue: Client) -> dict[str, tuple[str, str]]:
        """Fetch the instruments, for as long as it takes the exchange to answer."""
        backoff = Backoff(self._rng)
        while True:
            try:
                await catalogue.load()
            except ConnectionLostError as error:
                fields = {"error": error, "retry_in_s": (delay := backoff.next_delay())}
                log.warning("no_instruments", extra={"fields": fields})
                await asyncio.sleep(delay)
            else:
                return catalogue.instruments()

    def _make_readers(self, symbols: dict[str, str], catalogue: Client) -> list[TradeReader]:
        def connect() -> Client:
            client = self._client()
            client.share(catalogue)
            return client

        gate = Gate(self._venue.connect_seconds)
        outlets = Outlets(self._sink, self._ledger, self._metrics)
        return [
            CcxtReader(
                self._venue,
                f"{self._venue.exchange}-{number}",
                {unified: symbols[unified] for unified in names},
                connect=connect,
                outlets=outlets,
                gate=gate,
                backoff=Backoff(self._rng),
                silence_seconds=self._settings.silence_seconds,
                known=[trade for name in names for trade in self._delivered.get(symbols[name], ())],
            )
            for number, names in enumerate(per_connection(self._venue, list(symbols)))
        ]

    async def _tell_for_ever(self) -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            await self._tell()

    async def _tell(self) -> None:
        """Put what changed of the gaps into Kafka; nobody fetches what is missing, so they stay."""
        now_ms = time.time_ns() // 1_000_000
        for gap in self._ledger.due(now_ms):
            self._ledger.settle(gap, "open")
        for gap in self._ledger.tell(now_ms):
            if not self._sink.offer_gap(gap):
                log.error("gap_not_told", extra={"fields": {"gap_id": gap.gap_id}})

    def _awaited(self) -> str:
        if not self._readers:
            return "starting"
        if not self._sink.ready:
            return "kafka is out of reach"
        return "waiting for trades on every connection"


def choose(instruments: dict[str, tuple[str, str]], settings: ExchangesSettings) -> dict[str, str]:
    """Give the symbols to read: unified -> the exchange's own.

    Args:
        instruments: unified -> (the exchange's own, quote).
        settings: what was asked for; raises `SettingsError` if the exchange does not have it.
    """
    wanted = settings.symbol_list
    if not wanted:
        chosen = {
            unified: own for unified, (own, quote) in instruments.items() if quote == settings.quote
        }
        if not chosen:
            raise SettingsError(
                f"INGEST_QUOTE={settings.quote}: {settings.exchange} has no spot instrument "
                "quoted in it; choose another or give INGEST_SYMBOLS"
            )
        return chosen
    by_own = {own: unified for unified, (own, _) in instruments.items()}
    names = {name: name if name in instruments else by_own.get(name) for name in wanted}
    unknown = [name for name, unified in names.items() if unified is None]
    if unknown:
        raise SettingsError(_unknown(unknown, [*instruments, *by_own], settings.exchange))
    return {unified: instruments[unified][0] for unified in names.values() if unified}


def _unknown(names: list[str], known: list[str], exchange: str) -> str:
    near = get_close_matches(names[0], known, n=2)
    hint = f" (did you mean {' or '.join(near)}?)" if near else ""
    return f"INGEST_SYMBOLS: {exchange} has no spot symbol {', '.join(names)}{hint}"


async def _wait(stop: asyncio.Event) -> None:
    await stop.wait()
