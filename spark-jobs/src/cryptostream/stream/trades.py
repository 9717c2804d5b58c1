"""The trades query: each micro-batch is featured, predicted, rendered and settled on the driver.

On one machine the driver is the cheapest place for it: an executor's Python task costs 25 to
35 ms a batch before it does anything.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Any

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import DeadLetter, dead_letter
from cryptostream.stream import metrics
from cryptostream.stream.book import FeatureBook
from cryptostream.stream.dead_letters import COMPONENT
from cryptostream.stream.documents import trade_action
from cryptostream.stream.predictor import BLOCK_TRADE, Prediction

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pyspark.sql import DataFrame

    from cryptostream.stream.bulk import BulkWriter, Outcome, Refused
    from cryptostream.stream.dead_letters import DeadLetters
    from cryptostream.stream.predictor import Predictor
    from cryptostream.stream.snapshots import Snapshots

log = logging.getLogger(__name__)

#: Within a symbol; the same order in which training replays trades.
ORDER = ("exchange", "category", "symbol", "trade_time", "seq", "partition", "offset")
Features = tuple[list[float], bool] | None


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class TradesQuery:
    """Settles the micro-batches of deduplicated, parsed trades."""

    def __init__(
        self,
        *,
        writer: BulkWriter,
        predictor: Predictor,
        dead_letters: DeadLetters,
        snapshots: Snapshots,
        clock_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._writer = writer
        self._predictor = predictor
        self._dead_letters = dead_letters
        self._snapshots = snapshots
        self._clock_ms = clock_ms
        self._book = FeatureBook()
        self._done: int | None = None

    def process(self, batch: DataFrame, batch_id: int) -> None:
        """Settle one micro-batch; may be called again for the same batch, with equal effect.

        1. Read the batch: one action, so that the state store commits once.
        2. Bring the feature states to where they were before this batch.
        3. Compute features, then predictions.
        4. Write the documents; every item is settled when this returns.
        5. Send what can't be used to the dead letters, and wait for Kafka's word.
        6. Keep the feature states for the next batch.

        Spark commits the batch after this function returns, never before.
        """
        rows = batch.toArrow().sort_by([(name, "ascending") for name in ORDER]).to_pylist()  # 1
        if not rows:
            self._done = batch_id
            return
        with metrics.BATCH_SECONDS.labels("trades").time():
            self._restore(batch_id)  # 2
            self._settle(rows)  # 3-5
            self._snapshots.save(batch_id, self._book.states)  # 6
            self._done = batch_id

    def _restore(self, batch_id: int) -> None:
        if self._done is None or self._done != batch_id - 1:
            self._book = FeatureBook(self._snapshots.before(batch_id))
        # Until step 6 the states belong to no batch: a failure must restore them.
        self._done = None

    def _settle(self, rows: list[dict[str, Any]]) -> None:
        stream_time = self._clock_ms()
        good = [row for row in rows if row["reason"] is None]
        features = self._book.advance(good)
        predictions = self._predict(features)
        actions = [
            trade_action(row, vector, prediction, stream_time=stream_time)
            for row, vector, prediction in zip(good, features, predictions, strict=True)
        ]
        outcome = self._writer.write(actions)
        letters = [_unreadable(row, stream_time) for row in rows if row["reason"] is not None]
        letters += [refused_document(refused, stream_time) for refused in outcome.refused]
        self._dead_letters.send(letters)
        _count(outcome, predictions, letters)
        metrics.observe_hops(good, stream_time, self._clock_ms())

    def _predict(self, features: Sequence[Features]) -> list[Prediction]:
        scored = iter(self._predictor.predict([item[0] for item in features if item is not None]))
        return [BLOCK_TRADE if item is None else next(scored) for item in features]


def _unreadable(row: dict[str, Any], now: int) -> DeadLetter:
    source = f"{row['topic']}/{row['partition']}@{row['offset']}"
    error = ContractError(row["reason"], "the record breaks the contract of a trade")
    return dead_letter(
        row["raw"] or b"", source=source, component=COMPONENT, error=error, now_ms=now
    )


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
