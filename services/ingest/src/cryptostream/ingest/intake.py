"""From a received frame to Kafka: decode, validate, offer, and hold what finds no room."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Protocol

from cryptostream.contracts.messages import DeadLetter, dead_letter
from cryptostream.ingest.parse import Rejected, Source, parse_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptostream.contracts.errors import ContractError
    from cryptostream.contracts.trade import Trade
    from cryptostream.ingest.liveness import Liveness
    from cryptostream.ingest.metrics import Metrics
    from cryptostream.ingest.observer import Observer
    from cryptostream.ingest.silence import SilenceWatch
    from cryptostream.ingest.sink import KafkaSink


class Tap(Protocol):
    """What can stop reading for a while."""

    def pause(self) -> None:
        """Read no further."""

    def resume(self) -> None:
        """Read on."""


class Intake:
    """Takes the frames of one connection in. `take_trades` is the hot path and never waits.

    Once Kafka's queue is full, what finds no room is held back and the connection is read no
    further: the exchange's socket fills up instead of us. At most what one read of the socket
    brought is held.

    Attributes:
        life: of the present session; told when reading stops.
    """

    def __init__(
        self,
        source: Source,
        sink: KafkaSink,
        metrics: Metrics,
        *,
        connection: str,
        life: Liveness,
        observer: Observer,
        silence: SilenceWatch,
        clock: Callable[[], float],
        wall_ms: Callable[[], int],
    ) -> None:
        self.life = life
        self._connection = connection
        self._source = source
        self._sink = sink
        self._metrics = metrics
        self._observer = observer
        self._silence = silence
        self._clock = clock
        self._wall_ms = wall_ms
        self._held: deque[Trade | DeadLetter] = deque()
        self._full = asyncio.Event()
        # Looked up once: `labels` costs as much as counting.
        self._trade_frames = metrics.frames.labels("trades")
        self._name = f"{source.exchange}/{source.category}/ws"

    def take_trades(self, raw: bytes) -> None:
        """Offer a frame's trades to Kafka, all of them, and its bad ones as dead letters."""
        now_ms = self._wall_ms()
        trades, rejected = parse_frame(raw, self._source, now_ms)
        self._trade_frames.inc()
        if trades:
            self._offer(trades)
            first = trades[0]
            self._metrics.received.inc(len(trades))
            self._metrics.exchange_latency.observe(max(0.0, (now_ms - first.exchange_time) / 1e3))
            self._silence.heard(first.symbol)
            self._observer.received(trades, self._connection)
        if rejected:
            self._bury(rejected, now_ms)

    def refuse(self, raw: bytes, error: ContractError) -> None:
        """Put a frame that is nothing we know among the dead letters."""
        self._metrics.frames.labels("bad").inc()
        self._bury([Rejected(raw, error)], self._wall_ms())

    async def relieve(self, tap: Tap) -> None:
        """For ever: once something had to be held back, close the tap until Kafka took it."""
        while True:
            await self._full.wait()
            tap.pause()
            self.life.blocked(self._clock())
            try:
                await self._drain()
            finally:
                self.life.unblocked(self._clock())
            tap.resume()

    def give_up(self) -> None:
        """Tell of the trades that were held back and that nobody will offer any more."""
        for held in self._held:
            if not isinstance(held, DeadLetter):
                time = held.trade_time
                self._observer.dropped(held.symbol, time, time, "no_room")
        self._held.clear()

    def _offer(self, trades: Sequence[Trade]) -> None:
        offer = self._sink.offer_trade
        for place, trade in enumerate(trades):
            if self._held or not offer(trade):
                self._hold(trades[place:])
                return

    def _bury(self, rejected: Sequence[Rejected], now_ms: int) -> None:
        for item in rejected:
            self._metrics.dead_letters.labels(item.error.reason).inc()
            letter = dead_letter(
                item.payload, source=self._name, component="ingest", error=item.error, now_ms=now_ms
            )
            if self._held or not self._sink.offer_dead_letter(letter):
                self._hold([letter])

    def _hold(self, messages: Sequence[Trade | DeadLetter]) -> None:
        self._held.extend(messages)
        self._full.set()

    async def _drain(self) -> None:
        while self._held:
            first = self._held[0]
            if isinstance(first, DeadLetter):
                taken = self._sink.offer_dead_letter(first)
            else:
                taken = self._sink.offer_trade(first)
            if taken:
                self._held.popleft()
            else:
                await self._sink.room()
        self._full.clear()
