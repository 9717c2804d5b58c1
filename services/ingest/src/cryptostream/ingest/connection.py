"""One WebSocket connection to the exchange that is made anew for as long as it is wanted."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.errors import ContractError, Failure
from cryptostream.ingest.budget import Budget
from cryptostream.ingest.concurrency import first_of
from cryptostream.ingest.dial import CONNECT_SECONDS, Dialer
from cryptostream.ingest.errors import ConnectionLostError, cause_of, classify
from cryptostream.ingest.intake import Intake
from cryptostream.ingest.liveness import DEFAULT_LIMITS, Limits, Liveness
from cryptostream.ingest.observer import Deaf, Observer
from cryptostream.ingest.protocol import (
    PING_INTERVAL_SECONDS,
    Ack,
    Signal,
    classify_frame,
    ping_request,
    symbol_of,
    topic_of,
)
from cryptostream.ingest.silence import DEFAULT_SILENCE, SilenceLimits, SilenceWatch
from cryptostream.ingest.subscriptions import Refusals, Subscriptions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from cryptostream.ingest.backoff import Backoff
    from cryptostream.ingest.metrics import Metrics
    from cryptostream.ingest.parse import Source
    from cryptostream.ingest.sink import KafkaSink
    from cryptostream.ingest.wire import Wire

WATCH_SECONDS: Final = 0.1
#: How often the silence of single symbols is looked for.
LOOK_SECONDS: Final = 1.0
#: A request on its way makes nobody unready before this.
SETTLE_SECONDS: Final = 5.0
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """What a feed can be told apart from its topics; tests shorten the times."""

    url: str
    limits: Limits = DEFAULT_LIMITS
    ping_seconds: float = PING_INTERVAL_SECONDS
    connect_seconds: float = CONNECT_SECONDS
    silence: SilenceLimits = DEFAULT_SILENCE


class Feed:
    """Reads the trades of some topics into the sink, through every interruption.

    One session is: connect, ask for the topics, read. `_take` is called with each message, in
    the hot path; what it raises, what the watch raises or the end of the connection ends the
    session; `run` classifies what was raised and tries again.
    """

    def __init__(
        self,
        options: FeedOptions,
        topics: Iterable[str],
        *,
        source: Source,
        sink: KafkaSink,
        metrics: Metrics,
        backoff: Backoff,
        name: str = "feed",
        observer: Observer | None = None,
        budget: Budget | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self.name = name
        self.connected = False
        self._options = options
        self._wanted = dict.fromkeys(topics)
        self._metrics = metrics
        self._backoff = backoff
        self._observer: Observer = observer or Deaf()
        self._dialer = Dialer(options.url, budget or Budget(), metrics.attempts, clock)
        self._clock = clock
        self._wall_ms = wall_ms
        self._connected_at = clock()
        self._settled = False
        self._refusals = Refusals()
        self._subscriptions = Subscriptions(())
        self._outbox: list[bytes] = []
        self._life = Liveness(clock(), options.limits)
        self._silence = SilenceWatch(options.silence)
        self._intake = Intake(
            source,
            sink,
            metrics,
            connection=name,
            life=self._life,
            observer=self._observer,
            silence=self._silence,
            clock=clock,
            wall_ms=wall_ms,
        )

    @property
    def refused(self) -> dict[str, str]:
        """The topics that the exchange doesn't know, with its words."""
        return self._refusals.texts

    @property
    def subscribed(self) -> int:
        """How many topics the exchange granted on the present connection."""
        return len(self._subscriptions.granted) if self.connected else 0

    @property
    def silent(self) -> int:
        """How many symbols are silent although they should not be."""
        return self._silence.silent

    @property
    def unanswered(self) -> float:
        """For how many seconds an answer of the exchange is due."""
        return self._life.awaits_since(self._clock()) if self.connected else 0.0

    @property
    def ready(self) -> bool:
        """Whether the subscriptions are answered, some granted, and frames come in."""
        if not (self.connected and self._settled and self._subscriptions.granted):
            return False
        now = self._clock()
        return self._life.awaits_since(now) < SETTLE_SECONDS and self._life.verdict(now) is None

    def want(self, topics: Collection[str]) -> None:
        """Read these topics from now on; those that stay are not touched."""
        gone = self._wanted.keys() - set(topics)
        self._wanted = dict.fromkeys(topics)
        if gone:
            symbols = _symbols(gone)
            self._refusals.settle(gone)
            self._silence.forget(symbols)
            self._observer.given_up(symbols, self.name, self._wall_ms())
        if self.connected:
            self._outbox += self._subscriptions.want(self._askable())

    async def run(self) -> None:
        """Read for ever; raises what `classify` calls fatal."""
        try:
            while True:
                try:
                    await self._session()
                except Exception as error:  # every failure is classified below
                    if classify(error) is not Failure.TRANSIENT:
                        raise
                    await self._pause(error)
        finally:
            self._intake.give_up()

    async def _pause(self, error: Exception) -> None:
        now, cause = self._clock(), cause_of(error)
        granted = self._subscriptions.granted.intersection(self._wanted)
        held = now - self._connected_at if self._settled else 0.0
        if granted:
            # What came after the last frame is in doubt, whenever the loss was noticed.
            doubt_ms = int((now - self._life.last_heard) * 1000)
            self._observer.lost(_symbols(granted), self.name, self._wall_ms() - doubt_ms, cause)
        self._subscriptions, self._settled = Subscriptions(()), False
        self._silence.pause()
        delay = self._backoff.next_delay(held)
        self._metrics.reconnects.labels(cause).inc()
        fields = {"cause": cause, "error": error, "held_s": held, "retry_in_s": delay}
        self._log(logging.WARNING, "connection_lost", **fields)
        await asyncio.sleep(delay)

    async def _session(self) -> None:
        self._subscriptions = Subscriptions(())
        wire = await self._dialer.connect(self._take, self._options.connect_seconds, self.name)
        self._connected_at = self._clock()
        self._life = self._intake.life = Liveness(self._connected_at, self._options.limits)
        self._subscriptions = Subscriptions(self._askable())
        self._outbox = self._subscriptions.open_requests()
        self.connected = True
        try:
            await first_of(wire.over(), self._watch(wire), self._intake.relieve(wire))
        finally:
            self.connected = False
            await wire.close()

    async def _watch(self, wire: Wire) -> None:
        next_ping = next_look = self._clock()
        while True:
            now = self._clock()
            self._send_requests(wire)
            cause = self._life.verdict(now)
            if cause is not None:
                raise ConnectionLostError(cause)
            if now >= next_ping:
                next_ping = now + self._options.ping_seconds
                self._life.pinged(now)
                wire.send(ping_request("ping"))
            if now >= next_look:
                next_look = now + LOOK_SECONDS
                self._look(now)
            await asyncio.sleep(WATCH_SECONDS)

    def _send_requests(self, wire: Wire) -> None:
        requests, self._outbox = self._outbox, []
        if requests:
            self._life.asked(self._clock())
        for request in requests:
            wire.send(request)

    def _look(self, now: float) -> None:
        """Find what is due: refused topics to ask for again, symbols that fell silent."""
        if self._life.is_blocked:
            return
        if self._refusals.take_due(now):
            self._outbox += self._subscriptions.want(self._askable())
        silences = self._silence.check(self._reading_clock(now))
        at_ms = self._wall_ms()
        for silence in silences:
            self._metrics.silences.inc()
            self._log(
                logging.WARNING, "symbol_silent", symbol=silence.symbol, quiet_s=silence.seconds
            )
            since_ms = at_ms - int(silence.seconds * 1000)
            self._observer.silent(silence.symbol, self.name, since_ms, at_ms)
        if silences and self._silence.accuses_connection(now):
            raise ConnectionLostError("symbols_silent", f"{self._silence.silent} of them")
        self._outbox += self._subscriptions.again([topic_of(one.symbol) for one in silences])

    def _take(self, raw: bytes) -> None:
        self._life.heard(self._clock())
        try:
            kind = classify_frame(raw)
        except ContractError as error:
            self._intake.refuse(raw, error)
            return
        if kind is Signal.TRADES:
            self._intake.take_trades(raw)
        elif kind is Signal.PONG:
            self._metrics.frames.labels("pong").inc()
            self._life.ponged()
        else:
            self._metrics.frames.labels("ack").inc()
            self._take_ack(kind)

    def _take_ack(self, ack: Ack) -> None:
        subscriptions, now = self._subscriptions, self._clock()
        granted, refused = set(subscriptions.granted), set(subscriptions.refused)
        self._outbox += subscriptions.on_ack(ack)
        self._note_granted(subscriptions.granted - granted, now)
        for topic in subscriptions.refused.keys() - refused:
            self._note_refused(topic, ack.ret_msg, now)
        if subscriptions.awaited:
            self._life.progressed(now)
            return
        self._life.answered()
        self._settled = True
        self._log(logging.INFO, "subscribed", topics=self.subscribed)

    def _note_granted(self, topics: Iterable[str], now: float) -> None:
        symbols = _symbols(topic for topic in topics if topic in self._wanted)
        if symbols:
            self._refusals.settle(map(topic_of, symbols))
            self._silence.watch(symbols, self._reading_clock(now))
            self._observer.subscribed(symbols, self.name, self._wall_ms())

    def _note_refused(self, topic: str, text: str, now: float) -> None:
        if topic not in self._wanted:
            return
        self._refusals.add(topic, text, now)
        self._metrics.refusals.inc()
        self._observer.refused(symbol_of(topic), self.name, self._wall_ms())
        self._log(logging.ERROR, "topic_refused", topic=topic, ret_msg=text)

    def _log(self, level: int, event: str, **fields: object) -> None:
        log.log(level, event, extra={"fields": {"connection": self.name, **fields}})

    def _askable(self) -> list[str]:
        return [topic for topic in self._wanted if topic not in self._refusals.texts]

    def _reading_clock(self, now: float) -> float:
        """Give the time without what was spent waiting for Kafka."""
        return now - self._life.blocked_seconds


def _symbols(topics: Iterable[str]) -> list[str]:
    return [symbol_of(topic) for topic in topics]
