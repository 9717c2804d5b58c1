"""One WebSocket connection to the exchange that is made anew for as long as the process runs."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import aiohttp

from cryptostream.contracts.errors import ContractError, Failure
from cryptostream.contracts.messages import dead_letter
from cryptostream.ingest.concurrency import first_of
from cryptostream.ingest.errors import ConnectionLostError, NoTopicsLeftError, classify
from cryptostream.ingest.liveness import DEFAULT_LIMITS, Limits, Liveness
from cryptostream.ingest.parse import Rejected, Source, parse_frame
from cryptostream.ingest.protocol import (
    MAX_FRAME_BYTES,
    PING_INTERVAL_SECONDS,
    Ack,
    Signal,
    classify_frame,
    ping_request,
)
from cryptostream.ingest.subscriptions import SubscriptionRefusedError, Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptostream.ingest.backoff import Backoff
    from cryptostream.ingest.metrics import Metrics
    from cryptostream.ingest.sink import KafkaSink

CONNECT_SECONDS: Final = 10.0
#: A peer that is gone does not answer our close frame.
CLOSE_SECONDS: Final = 0.5
WATCH_SECONDS: Final = 0.1
#: Somewhat above what `parse` takes: a frame in between is a dead letter, no lost connection.
HARD_FRAME_BYTES: Final = 4 * MAX_FRAME_BYTES

_DATA: Final = (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY)
Socket = aiohttp.ClientWebSocketResponse[Literal[False]]
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What a feed can be told apart from its topics; tests shorten the times."""

    url: str
    limits: Limits = DEFAULT_LIMITS
    ping_seconds: float = PING_INTERVAL_SECONDS
    connect_seconds: float = CONNECT_SECONDS


class Feed:
    """Reads the trades of some topics into the sink, through every interruption.

    One session is: connect, ask for the topics, read. `_read` and `_watch` run side by side and
    the first that raises ends the session; `run` classifies what was raised and tries again.
    """

    def __init__(
        self,
        options: FeedOptions,
        topics: Sequence[str],
        *,
        source: Source,
        sink: KafkaSink,
        metrics: Metrics,
        backoff: Backoff,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.refused: dict[str, str] = {}
        self.connected = False
        self._options = options
        self._topics = topics
        self._source = source
        self._sink = sink
        self._metrics = metrics
        self._backoff = backoff
        self._clock = clock
        self._wall_ms = wall_ms
        self._subscriptions = Subscriptions(())
        self._life = Liveness(clock(), options.limits)
        # Looked up once: `labels` costs as much as counting.
        self._trade_frames = metrics.frames.labels("trades")
        self._name = f"{source.exchange}/{source.category}/ws"

    @property
    def subscribed(self) -> int:
        """How many topics the exchange granted on the present connection."""
        return len(self._subscriptions.granted) if self.connected else 0

    @property
    def ready(self) -> bool:
        """Whether every subscription is answered and frames come in."""
        if not (self.connected and self._subscriptions.complete):
            return False
        return self._life.verdict(self._clock()) is None

    async def run(self) -> None:
        """Read for ever; raises what `classify` calls fatal."""
        async with aiohttp.ClientSession() as http:
            while True:
                started = self._clock()
                try:
                    await self._session(http)
                except Exception as error:  # every failure is classified below
                    if classify(error) is not Failure.TRANSIENT:
                        raise
                    await self._pause(error, self._clock() - started)

    async def _pause(self, error: Exception, held: float) -> None:
        cause = _cause(error)
        delay = self._backoff.next_delay(held)
        self._metrics.reconnects.labels(cause).inc()
        fields = {"cause": cause, "error": error, "held_s": held, "retry_in_s": delay}
        log.warning("connection_lost", extra={"fields": fields})
        await asyncio.sleep(delay)

    async def _session(self, http: aiohttp.ClientSession) -> None:
        ws = await self._connect(http)
        now = self._clock()
        self._life = Liveness(now, self._options.limits)
        wanted = [topic for topic in self._topics if topic not in self.refused]
        self._subscriptions = Subscriptions(wanted)
        self.connected = True
        try:
            await self._ask(ws, self._subscriptions.open_requests())
            await first_of(self._read(ws), self._watch(ws))
        finally:
            self.connected = False
            await ws.close()

    async def _connect(self, http: aiohttp.ClientSession) -> Socket:
        try:
            async with asyncio.timeout(self._options.connect_seconds):
                ws = await http.ws_connect(
                    self._options.url,
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_SECONDS),
                    max_msg_size=HARD_FRAME_BYTES,
                    decode_text=False,
                )
        except TimeoutError as error:
            raise ConnectionLostError("connect_timeout") from error
        except aiohttp.InvalidURL:
            raise
        except aiohttp.ClientError as error:
            raise ConnectionLostError("connect_failed", str(error)[:200]) from error
        log.info("connected", extra={"fields": {"url": self._options.url}})
        return ws

    async def _ask(self, ws: Socket, requests: Sequence[bytes]) -> None:
        if requests:
            self._life.asked(self._clock())
        for request in requests:
            await ws.send_frame(request, aiohttp.WSMsgType.TEXT)

    async def _read(self, ws: Socket) -> None:
        while True:
            message = await ws.receive()
            if message.type not in _DATA:
                raise ConnectionLostError("closed", f"{message.type.name} {ws.close_code}")
            self._life.heard(self._clock())
            await self._take(ws, message.data)

    async def _watch(self, ws: Socket) -> None:
        next_ping = self._clock()
        while True:
            now = self._clock()
            cause = self._life.verdict(now)
            if cause is not None:
                raise ConnectionLostError(cause)
            if now >= next_ping:
                next_ping = now + self._options.ping_seconds
                self._life.pinged(now)
                await ws.send_frame(ping_request("ping"), aiohttp.WSMsgType.TEXT)
            await asyncio.sleep(WATCH_SECONDS)

    async def _take(self, ws: Socket, raw: bytes) -> None:
        try:
            kind = classify_frame(raw)
        except ContractError as error:
            self._metrics.frames.labels("bad").inc()
            await self._bury([Rejected(raw, error)], self._wall_ms())
            return
        if kind is Signal.TRADES:
            await self._take_trades(raw)
        elif kind is Signal.PONG:
            self._metrics.frames.labels("pong").inc()
            self._life.ponged()
        else:
            self._metrics.frames.labels("ack").inc()
            await self._take_ack(ws, kind)

    async def _take_trades(self, raw: bytes) -> None:
        now_ms = self._wall_ms()
        trades, rejected = parse_frame(raw, self._source, now_ms)
        self._trade_frames.inc()
        if trades:
            self._metrics.received.inc(len(trades))
            latency = (now_ms - trades[0].exchange_time) / 1000.0
            self._metrics.exchange_latency.observe(max(0.0, latency))
        for trade in trades:
            while not self._sink.offer_trade(trade):
                await self._wait_for_room()
        if rejected:
            await self._bury(rejected, now_ms)

    async def _bury(self, rejected: Sequence[Rejected], now_ms: int) -> None:
        """Put refused input among the dead letters."""
        for item in rejected:
            self._metrics.dead_letters.labels(item.error.reason).inc()
            letter = dead_letter(
                item.payload, source=self._name, component="ingest", error=item.error, now_ms=now_ms
            )
            while not self._sink.offer_dead_letter(letter):
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Read nothing until Kafka took some: the exchange's socket fills up instead of us."""
        self._life.blocked(self._clock())
        try:
            await self._sink.room()
        finally:
            self._life.unblocked(self._clock())

    async def _take_ack(self, ws: Socket, ack: Ack) -> None:
        subscriptions = self._subscriptions
        known = set(subscriptions.refused)
        await self._ask(ws, subscriptions.on_ack(ack))
        for topic in subscriptions.refused.keys() - known:
            self.refused[topic] = subscriptions.refused[topic]
            log.error("topic_refused", extra={"fields": {"topic": topic, "ret_msg": ack.ret_msg}})
        if subscriptions.awaited:
            return
        self._life.answered()
        if not subscriptions.granted:
            raise NoTopicsLeftError(f"the exchange knows none of {len(self.refused)} topics")
        log.info("subscribed", extra={"fields": {"topics": self.subscribed}})


def _cause(error: Exception) -> str:
    """Name the cause of a lost connection by one of a few words, fit for a metric label."""
    if isinstance(error, ConnectionLostError):
        return error.cause
    return "refused" if isinstance(error, SubscriptionRefusedError) else "closed"
