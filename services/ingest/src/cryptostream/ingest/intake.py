"""From a received frame to Kafka: decode, validate, offer, and wait while there is no room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptostream.contracts.messages import dead_letter
from cryptostream.ingest.parse import Rejected, Source, parse_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptostream.contracts.errors import ContractError
    from cryptostream.ingest.liveness import Liveness
    from cryptostream.ingest.metrics import Metrics
    from cryptostream.ingest.observer import Observer
    from cryptostream.ingest.silence import SilenceWatch
    from cryptostream.ingest.sink import KafkaSink


class Intake:
    """Takes the frames of one connection in. All of it is in the hot path.

    Attributes:
        life: of the present session; told when the reader has to wait.
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
        # Looked up once: `labels` costs as much as counting.
        self._trade_frames = metrics.frames.labels("trades")
        self._name = f"{source.exchange}/{source.category}/ws"

    async def take_trades(self, raw: bytes) -> None:
        """Offer a frame's trades to Kafka, all of them, and its bad ones as dead letters."""
        now_ms = self._wall_ms()
        trades, rejected = parse_frame(raw, self._source, now_ms)
        self._trade_frames.inc()
        for trade in trades:
            while not self._sink.offer_trade(trade):
                await self._wait_for_room()
        if trades:
            first = trades[0]
            self._metrics.received.inc(len(trades))
            self._metrics.exchange_latency.observe(max(0.0, (now_ms - first.exchange_time) / 1e3))
            self._silence.heard(first.symbol)
            self._observer.received(trades, self._connection)
        if rejected:
            await self._bury(rejected, now_ms)

    async def refuse(self, raw: bytes, error: ContractError) -> None:
        """Put a frame that is nothing we know among the dead letters."""
        self._metrics.frames.labels("bad").inc()
        await self._bury([Rejected(raw, error)], self._wall_ms())

    async def _bury(self, rejected: Sequence[Rejected], now_ms: int) -> None:
        for item in rejected:
            self._metrics.dead_letters.labels(item.error.reason).inc()
            letter = dead_letter(
                item.payload, source=self._name, component="ingest", error=item.error, now_ms=now_ms
            )
            while not self._sink.offer_dead_letter(letter):
                await self._wait_for_room()

    async def _wait_for_room(self) -> None:
        """Read nothing until Kafka took some: the exchange's socket fills up instead of us."""
        self.life.blocked(self._clock())
        try:
            await self._sink.room()
        finally:
            self.life.unblocked(self._clock())
