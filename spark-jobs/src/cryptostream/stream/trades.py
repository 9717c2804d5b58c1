"""The trades query: all that is made of a trade, in one pass over Kafka.

Each micro-batch is decoded, deduplicated, featured, predicted, folded into candles, rolling
statistics and alert rules, rendered, and settled. Where trades are predicted, rendered and written
is the placement's to say; all that needs the trades before them is made on the driver.
"""

from __future__ import annotations

import logging
import time
from threading import Lock
from typing import TYPE_CHECKING, Final

from elasticsearch import ApiError

from cryptostream.stream import metrics
from cryptostream.stream.bulk import SinkUnavailableError
from cryptostream.stream.collector import no_collections
from cryptostream.stream.documents import candle_action, rolling_action
from cryptostream.stream.records import read_records
from cryptostream.stream.settle import PART, Trades, count

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from threading import Event

    from pyspark.sql import DataFrame

    from cryptostream.contracts.messages import DeadLetter
    from cryptostream.stream.alerts import AlertSink
    from cryptostream.stream.bulk import BulkWriter
    from cryptostream.stream.dead_letters import DeadLetters
    from cryptostream.stream.engine import Engine, Step
    from cryptostream.stream.journal import Journal, Memory
    from cryptostream.stream.records import Record
    from cryptostream.stream.settle import Placement, Written

log = logging.getLogger(__name__)

#: Longer than a batch takes; a trader looks no closer.
IDLE_MS: Final = 1_000


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class TradesQuery:
    """Settles the micro-batches of Kafka records."""

    def __init__(
        self,
        *,
        placement: Placement,
        writer: BulkWriter,
        dead_letters: DeadLetters,
        alerts: AlertSink,
        journal: Journal,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._writer = writer
        self._placement = placement
        self._dead_letters = dead_letters
        self._alerts = alerts
        self._journal = journal
        self._clock_ms = clock_ms
        self._memory: Memory | None = None
        self._done: int | None = None
        self._lock = Lock()
        #: When the last batch ended, as long as its held-back candles are not written.
        self._ended: int | None = None

    def process(self, batch: DataFrame, batch_id: int) -> None:
        """Settle one micro-batch; may be called again for the same batch, with equal effect.

        1. Read the batch, and decode it.
        2. Bring the memory to where it was before this batch; drop the trades it has seen.
        3. Compute features, then predictions, then all the rest.
        4. Write the documents, here or in the executors; every item is settled when this returns.
        5. Send alerts, and what can't be used to the dead letters; wait for Kafka's word.
        6. Write the journal for the next batch.

        Spark commits the batch after this function returns, never before.
        """
        with no_collections():
            rows = batch.toArrow().to_pylist()  # 1
        with self._lock, no_collections(), metrics.BATCH_SECONDS.labels("trades").time():
            records, letters = read_records(rows, now_ms=self._clock_ms())
            memory = self._restored(batch_id)  # 2
            newest = max((row["kafka_time"] for row in rows), default=memory.engine.now_ms)
            fresh = memory.seen.fresh(records, newest)
            metrics.DUPLICATES.labels("trades").inc(len(records) - len(fresh))
            scores = self._settle(memory.engine, fresh, letters, newest)  # 3-5
            self._journal.save(batch_id, memory, fresh, scores, newest)  # 6
            self._memory, self._done = memory, batch_id
            metrics.STATE_ROWS.labels("trades/ids").set(len(memory.seen.ids))
            metrics.STATE_ROWS.labels("trades/symbols").set(len(memory.engine.symbols))
            self._ended = self._clock_ms()

    def settle_silences(self, stop: Event) -> None:
        """Look every second until `stop` for candles that a silence holds back."""
        while not stop.wait(IDLE_MS / 1000):
            self.settle_waiting()

    def settle_waiting(self) -> None:
        """Write candles that were held back, once no batch came for `IDLE_MS`.

        An open candle is written now and then, when trades come; the last state before a silence
        would wait for the next trade. The memory stays as it is, so a replay is none the wiser.
        """
        if not self._lock.acquire(blocking=False):
            return
        try:
            if self._memory is None or self._ended is None:
                return
            if self._clock_ms() - self._ended >= IDLE_MS:
                self._writer.write([candle_action(one) for one in self._memory.engine.waiting()])
                self._ended = None
        except (SinkUnavailableError, ApiError) as error:
            log.warning("waiting_not_written", extra={"fields": {"why": error}})
        finally:
            self._lock.release()

    def _restored(self, batch_id: int) -> Memory:
        """Give the memory before this batch; until the batch is done it belongs to no one."""
        memory, done = self._memory, self._done
        self._memory = self._done = self._ended = None
        if memory is None or done != batch_id - 1:
            return self._journal.before(batch_id)
        return memory

    def _settle(
        self, engine: Engine, records: list[Record], letters: list[DeadLetter], newest: int
    ) -> Sequence[float | None]:
        """Settle all that a batch gives; gives the score of each trade."""
        stream_time = self._clock_ms()
        begun = self._placement.begin(
            Trades(part, engine.features(part), stream_time) for part in _parts(records)
        )
        step = engine.advance(records, begun.p_up, newest)
        others = [candle_action(one) for one in step.candles]
        others += [rolling_action(row) for row in step.rolling]
        written = begun.finish(others)
        letters = [*letters, *(one for part in written for one in part.letters)]
        self._dead_letters.send(letters)
        self._alerts.send(step.alerts)
        _count(step, written, letters)
        settled_time = self._clock_ms()
        metrics.observe_hops(records, stream_time, settled_time)
        metrics.observe_watermarks(engine.clocks, settled_time)
        return begun.p_up


def _parts(records: list[Record]) -> Iterator[list[Record]]:
    """Cut a batch's trades; one without any gives a part without any."""
    for start in range(0, max(1, len(records)), PART):
        yield records[start : start + PART]


def _count(step: Step, written: Sequence[Written], letters: Sequence[DeadLetter]) -> None:
    for part in written:
        count(part)
    metrics.CANDLES.inc(len(step.candles))
    metrics.ROLLING.inc(len(step.rolling))
    for result, number in step.late.items():
        metrics.LATE.labels(result).inc(number)
    for letter in letters:
        metrics.DEAD_LETTERS.labels(letter.reason).inc()
