"""The candles query: changed candles of each micro-batch, written whole over their last state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812

from cryptostream.stream import metrics
from cryptostream.stream.documents import candle_action
from cryptostream.stream.trades import now_ms, refused_document

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from cryptostream.stream.bulk import BulkWriter
    from cryptostream.stream.dead_letters import DeadLetters


class CandlesQuery:
    """Settles the micro-batches of updated candles."""

    def __init__(self, *, writer: BulkWriter, dead_letters: DeadLetters) -> None:
        self._writer = writer
        self._dead_letters = dead_letters

    def process(self, batch: DataFrame, _batch_id: int) -> None:
        """Write the changed candles; a replayed batch writes the same values again."""
        rows = batch.withColumn("start", F.unix_millis("start")).toArrow().to_pylist()
        if not rows:
            return
        with metrics.BATCH_SECONDS.labels("candles").time():
            outcome = self._writer.write([candle_action(row) for row in rows])
            now = now_ms()
            self._dead_letters.send([refused_document(item, now) for item in outcome.refused])
        metrics.CANDLES.inc(outcome.written)
        metrics.BULK_RETRIES.inc(outcome.retried)
        metrics.DEAD_LETTERS.labels("candle_refused").inc(len(outcome.refused))
