"""The trades query: each micro-batch is featured, predicted, rendered and settled on the driver.

On one machine the driver is the cheapest place for it: an executor's Python task costs 25 to
35 ms a batch before it does anything.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import DeadLetter, dead_letter
from cryptostream.stream import metrics
from cryptostream.stream.documents import trade_action
from cryptostream.stream.predictor import BLOCK_TRADE, Prediction
from cryptostream.stream.records import COMPONENT, read_records

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

    from cryptostream.stream.book import Book, Features
    from cryptostream.stream.bulk import BulkWriter, Outcome, Refused
    from cryptostream.stream.dead_letters import DeadLetters
    from cryptostream.stream.journal import Journal
    from cryptostream.stream.predictor import Predictor
    from cryptostream.stream.records import Record


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class TradesQuery:
    """Settles the micro-batches of Kafka records."""

    def __init__(
        self,
        *,
        writer: BulkWriter,
        predictor: Predictor,
        dead_letters: DeadLetters,
        journal: Journal,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._writer = writer
        self._predictor = predictor
        self._dead_letters = dead_letters
        self._journal = journal
        self._clock_ms = clock_ms
        self._book: Book | None = None
        self._done: int | None = None

    def process(self, batch: DataFrame, batch_id: int) -> None:
        """Settle one micro-batch; may be called again for the same batch, with equal effect.

        1. Read the batch, and decode it.
        2. Bring the book to where it was before this batch; drop the trades it has seen.
        3. Compute features, then predictions.
        4. Write the documents; every item is settled when this returns.
        5. Send what can't be used to the dead letters, and wait for Kafka's word.
        6. Write the journal for the next batch.

        Spark commits the batch after this function returns, never before.
        """
        rows = batch.toArrow().to_pylist()  # 1
        if not rows:
            self._done = batch_id if self._book is not None else None
            return
        with metrics.BATCH_SECONDS.labels("trades").time():
            newest = max(row["kafka_time"] for row in rows)
            stream_time = self._clock_ms()
            records, letters = read_records(rows, now_ms=stream_time)
            book = self._restored(batch_id)  # 2
            fresh = book.fresh(records, newest)
            metrics.DUPLICATES.labels("trades").inc(len(records) - len(fresh))
            self._settle(book, fresh, letters, stream_time)  # 3-5
            self._journal.save(batch_id, book, [one.identity for one in fresh], newest)  # 6
            self._book, self._done = book, batch_id

    def _restored(self, batch_id: int) -> Book:
        """Give the book before this batch; until the batch is done it belongs to no one."""
        book, done = self._book, self._done
        self._book = self._done = None
        if book is None or done != batch_id - 1:
            return self._journal.before(batch_id)
        return book

    def _settle(
        self, book: Book, records: list[Record], letters: list[DeadLetter], stream_time: int
    ) -> None:
        features = book.advance(records)
        predictions = self._predict(features)
        actions = [
            trade_action(record, vector, prediction, stream_time=stream_time)
            for record, vector, prediction in zip(records, features, predictions, strict=True)
        ]
        outcome = self._writer.write(actions)
        letters += [refused_document(refused, stream_time) for refused in outcome.refused]
        self._dead_letters.send(letters)
        _count(outcome, predictions, letters)
        metrics.observe_hops(records, stream_time, self._clock_ms())

    def _predict(self, features: Sequence[Features]) -> list[Prediction]:
        scored = iter(self._predictor.predict([item[0] for item in features if item is not None]))
        return [BLOCK_TRADE if item is None else next(scored) for item in features]


def refused_document(refused: Refused, now: int) -> DeadLetter:
    """Build the dead letter of a document that Elasticsearch refused."""
    error = ContractError(f"elasticsearch_{refused.status}", refused.reason)
    payload = refused.action.header + refused.action.body
    return dead_letter(payload, source="bulk", component=COMPONENT, error=error, now_ms=now)


def _count(
    outcome: Outcome, predictions: Sequence[Prediction], letters: Sequence[DeadLetter]
) -> None:
    metrics.TRADES.labels("written").inc(outcome.written)
    metrics.TRADES.labels("existed").inc(outcome.existed)
    metrics.TRADES.labels("refused").inc(len(outcome.refused))
    metrics.BULK_RETRIES.inc(outcome.retried)
    for prediction in predictions:
        metrics.PREDICTIONS.labels(prediction.reason or "ok").inc()
    for letter in letters:
        metrics.DEAD_LETTERS.labels(letter.reason).inc()
