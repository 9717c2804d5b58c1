"""One connection of an exchange read through ccxt, made anew for as long as the process runs."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import defaultdict
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from cryptostream.contracts.errors import ContractError, CryptostreamError, Failure
from cryptostream.contracts.messages import dead_letter
from cryptostream.ingest.adapters.continuity import Continuity
from cryptostream.ingest.errors import ConnectionLostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from cryptostream.contracts.trade import Trade
    from cryptostream.ingest.adapters.client import Client
    from cryptostream.ingest.adapters.convert import Record
    from cryptostream.ingest.adapters.metrics import AdapterMetrics
    from cryptostream.ingest.adapters.venues import Venue
    from cryptostream.ingest.backoff import Backoff
    from cryptostream.ingest.observer import Observer
    from cryptostream.ingest.sink import KafkaSink

#: ccxt touches every symbol of a connection on each call; a pause makes batches of them.
BATCH_SECONDS: Final = 0.01
LOOK_SECONDS: Final = 0.25
_symbol: Final = attrgetter("symbol")
log = logging.getLogger(__name__)


class TradeReader(Protocol):
    """What every source of an exchange's trades has in common, the native reader too.

    It puts each trade into the sink it was made with, in the contract's form, and tells its
    observer of every interruption.
    """

    @property
    def connected(self) -> bool:
        """Whether a connection stands."""

    @property
    def subscribed(self) -> int:
        """How many symbols the exchange grants us on it."""

    @property
    def ready(self) -> bool:
        """Whether trades come."""

    async def run(self) -> None:
        """Read for ever, through every interruption; raises what only a restart can mend."""


class Gate:
    """Keeps the handshakes of one process apart, as the exchange's limit wants it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = asyncio.Lock()

    async def enter(self) -> None:
        """Wait for our turn; the next one's comes `seconds` later."""
        async with self._lock:
            await asyncio.sleep(self._seconds)


@dataclass(frozen=True, slots=True)
class Outlets:
    """Where a reader's trades and tidings go."""

    sink: KafkaSink
    observer: Observer
    metrics: AdapterMetrics


class CcxtReader:
    """Reads some symbols of a venue; see `TradeReader`.

    Args:
        name: of the connection, for the observer.
        symbols: unified symbol (`BTC/USDT`) -> the exchange's own.
        connect: makes a client that knows the instruments; a new one for each session, since
            ccxt's own state survives its connections.
        silence_seconds: a connection that brings nothing for so long is given up.
        known: trades that an earlier run delivered, each symbol's in their order.
    """

    def __init__(
        self,
        venue: Venue,
        name: str,
        symbols: dict[str, str],
        *,
        connect: Callable[[], Client],
        outlets: Outlets,
        gate: Gate,
        backoff: Backoff,
        silence_seconds: float,
        known: Iterable[Trade] = (),
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._venue = venue
        self._name = name
        self._unified = list(symbols)
        self._native = dict(symbols)
        self._connect = connect
        self._outlets = outlets
        self._gate = gate
        self._backoff = backoff
        self._silence_seconds = silence_seconds
        self._clock = clock
        self._wall_ms = wall_ms
        self._client: Client | None = None
        self._subscribed = False
        self._ids: defaultdict[str, Continuity] = defaultdict(Continuity)
        self._last_ms: dict[str, int] = {}
        for trade in known:
            self._ids[trade.symbol].admit(int(trade.trade_id))
            self._last_ms[trade.symbol] = trade.trade_time

    @property
    def connected(self) -> bool:
        """Whether the WebSocket stands."""
        return self._client is not None and self._client.connected

    @property
    def ready(self) -> bool:
        """Whether trades have come on the present connection."""
        return self.connected and self._subscribed

    @property
    def subscribed(self) -> int:
        """How many symbols the present connection brings."""
        return len(self._unified) if self.ready else 0

    async def run(self) -> None:
        """Read for ever; raises what is not transient."""
        while True:
            started = self._clock()
            try:
                await self._session()
            except CryptostreamError as error:
                if error.failure is not Failure.TRANSIENT:
                    raise
                await self._pause(error, self._clock() - started)

    async def _pause(self, error: CryptostreamError, held: float) -> None:
        cause = error.cause if isinstance(error, ConnectionLostError) else "closed"
        delay = self._backoff.next_delay(held)
        self._outlets.metrics.reconnects.labels(cause).inc()
        if self._subscribed:
            self._subscribed = False
            symbols = self._native.values()
            self._outlets.observer.lost(symbols, self._name, self._wall_ms(), cause)
        fields = {"connection": self._name, "cause": cause, "error": error, "retry_in_s": delay}
        log.warning("connection_lost", extra={"fields": fields})
        await asyncio.sleep(delay)

    async def _session(self) -> None:
        await self._gate.enter()
        client = self._client = self._connect()
        try:
            await self._read(client)
        finally:
            self._client = None
            await client.close()

    async def _read(self, client: Client) -> None:
        heard = self._clock()
        watch = asyncio.ensure_future(client.watch(self._unified))
        try:
            while True:
                await asyncio.wait({watch}, timeout=LOOK_SECONDS)
                if await self._drain(client):
                    heard = self._clock()
                elif self._clock() - heard > self._silence_seconds:
                    raise ConnectionLostError("silence")
                if watch.done():
                    _raise_failure(watch)
                    watch = asyncio.ensure_future(client.watch(self._unified))
                    await asyncio.sleep(BATCH_SECONDS)
        finally:
            watch.cancel()
            await asyncio.gather(watch, return_exceptions=True)

    async def _drain(self, client: Client) -> bool:
        """Pass on what ccxt has collected; False if that was nothing."""
        infos, full = client.drain()
        if not infos:
            return False
        now_ms = self._wall_ms()
        if not self._subscribed:
            # ccxt tells of no acknowledgement, so the first trade is the proof of the one
            # request that asked for all.
            self._subscribed = True
            self._outlets.observer.subscribed(self._native.values(), self._name, now_ms)
            log.info("subscribed", extra={"fields": {"connection": self._name}})
        trades = self._admitted(await self._converted(infos, now_ms), full)
        await self._offer(trades, now_ms)
        return True

    async def _converted(self, infos: Sequence[object], now_ms: int) -> list[Record]:
        records = []
        for info in infos:
            try:
                records.append(self._venue.convert(info, now_ms))
            except ContractError as error:
                await self._bury(info, error, now_ms)
        # By id: ccxt turns Coinbase's lists round, and an update may hold several symbols.
        return sorted(records, key=lambda record: (record.trade.symbol, record.number))

    def _admitted(self, records: Sequence[Record], full: Sequence[str]) -> list[Trade]:
        """Leave out what is known already, and tell of what was lost."""
        overflown = {self._native[unified] for unified in full if unified in self._native}
        trades = []
        for record in records:
            trade = record.trade
            missing = self._ids[trade.symbol].admit(record.number, record.span)
            if missing is None:
                self._outlets.metrics.stale.inc()
                continue
            if missing and self._venue.dense_ids:
                self._tell_lost(trade, missing, "id_jump")
            elif trade.symbol in overflown and not self._venue.dense_ids:
                self._tell_lost(trade, 1, "cache_full")
            overflown.discard(trade.symbol)
            self._last_ms[trade.symbol] = trade.trade_time
            trades.append(trade)
        return trades

    def _tell_lost(self, trade: Trade, count: int, cause: str) -> None:
        """Tell that trades between the last one and this one never came."""
        since = min(self._last_ms.get(trade.symbol, trade.trade_time), trade.trade_time)
        self._outlets.metrics.missing.inc(count)
        self._outlets.observer.dropped(trade.symbol, since, trade.trade_time, cause)

    async def _offer(self, trades: Sequence[Trade], now_ms: int) -> None:
        sink, metrics = self._outlets.sink, self._outlets.metrics
        if not trades:
            return
        metrics.received.inc(len(trades))
        metrics.exchange_latency.observe(max(0.0, (now_ms - trades[-1].exchange_time) / 1000.0))
        for trade in trades:
            while not sink.offer_trade(trade):
                await sink.room()
        for _, of_one in groupby(sorted(trades, key=_symbol), key=_symbol):
            self._outlets.observer.received(list(of_one), self._name)

    async def _bury(self, info: object, error: ContractError, now_ms: int) -> None:
        """Put a record that breaks the contract among the dead letters."""
        self._outlets.metrics.dead_letters.labels(error.reason).inc()
        letter = dead_letter(
            json.dumps(info).encode(),
            source=f"{self._venue.exchange}/spot/ccxt",
            component="ingest",
            error=error,
            now_ms=now_ms,
        )
        while not self._outlets.sink.offer_dead_letter(letter):
            await self._outlets.sink.room()


def _raise_failure(watch: asyncio.Future[Any]) -> None:
    """Raise what ended the wait, if it failed."""
    if watch.cancelled():
        # ccxt cancels its own waiters when it closes on an error of its ping.
        raise ConnectionLostError("closed", "cancelled by ccxt")
    watch.result()
