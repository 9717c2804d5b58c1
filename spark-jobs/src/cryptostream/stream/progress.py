"""Progress of the queries: metrics, and offsets committed to a group that lag tools can see.

Spark keeps its offsets in the checkpoint alone and commits none to Kafka.
"""

from __future__ import annotations

import json
import logging
import time
from typing import TYPE_CHECKING, Any, Final

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptostream.contracts.settings import kafka_options
from cryptostream.stream import metrics
from cryptostream.stream.settled import behind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from pyspark.sql.streaming.listener import StreamingQueryProgress
    from pyspark.sql.streaming.query import StreamingQuery

    from cryptostream.stream.settled import Partition

log = logging.getLogger(__name__)

#: How often the lag is measured; it costs a small request a partition.
LAG_EVERY_SECONDS: Final = 5.0
_KAFKA_SECONDS: Final = 2.0


class OffsetCommitter:
    """Commits end offsets to a consumer group of its own, and knows the topics' ends.

    It never consumes.
    """

    def __init__(self, bootstrap_servers: str, group: str) -> None:
        self._consumer = Consumer(
            {**kafka_options(bootstrap_servers), "group.id": group, "enable.auto.commit": False}
        )

    def commit(self, ends: dict[Partition, int]) -> None:
        """Commit the next offset of each partition; a failure is logged, the next makes it good.

        Nothing is read from these offsets, so a lost commit costs a moment of wrong lag.
        """
        offsets = [TopicPartition(*partition, offset) for partition, offset in ends.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("offsets_not_committed", extra={"fields": {"why": error}})

    def highs(self, partitions: Iterable[Partition]) -> dict[Partition, int]:
        """Give the offset of each partition's next record; only what Kafka told in time."""
        found: dict[Partition, int] = {}
        for topic, partition in partitions:
            try:
                _, high = self._consumer.get_watermark_offsets(
                    TopicPartition(topic, partition), timeout=_KAFKA_SECONDS
                )
            except KafkaException as error:
                log.warning("lag_unknown", extra={"fields": {"why": error}})
                break
            found[topic, partition] = high
        return found


class Progress:
    """Turns the progress of queries into metrics and commits, when asked to look.

    Polled, not a `StreamingQueryListener`: each event of a listener in Python is copied field
    by field from the JVM, which took a tenth of the JVM's time and more of Python's.

    The lag is measured against Kafka itself: a query that is stuck in a batch tells nothing.
    """

    def __init__(
        self, offsets: OffsetCommitter, *, lag_query: str, clock: Callable[[], float] = time.time
    ) -> None:
        self._offsets = offsets
        self._lag_query = lag_query
        self._clock = clock
        self._seen: dict[str, int] = {}
        self._ends: dict[Partition, int] = {}
        self._lag_due = 0.0

    def look(self, queries: Iterable[StreamingQuery]) -> None:
        """Export every micro-batch that has finished since the last look."""
        for query in queries:
            seen = self._seen.get(query.name, -1)
            fresh = [one for one in query.recentProgress if one.batchId > seen]
            for progress in fresh:
                _export(query.name, progress)
            if fresh:
                self._seen[query.name] = fresh[-1].batchId
                metrics.BATCHES.labels(query.name).inc(len(fresh))
            if fresh and query.name == self._lag_query:
                self._ends |= end_offsets(json.loads(fresh[-1].json))
                self._offsets.commit(self._ends)
        if self._ends and self._clock() >= self._lag_due:
            self._lag_due = self._clock() + LAG_EVERY_SECONDS
            self._measure_lag()

    def _measure_lag(self) -> None:
        highs = self._offsets.highs(self._ends)
        if len(highs) < len(self._ends):
            return
        now_ms = int(self._clock() * 1_000)
        records, seconds = behind(self._ends, highs, metrics.SETTLED.newest, now_ms)
        metrics.LAG.labels(self._lag_query).set(records)
        metrics.LAG_SECONDS.labels(self._lag_query).set(seconds)


def end_offsets(progress: dict[str, Any]) -> dict[Partition, int]:
    """Give up to where a batch has read: the next offset of each partition of its sources."""
    return {
        (topic, int(partition)): offset
        for source in progress["sources"]
        for topic, partitions in (source["endOffset"] or {}).items()
        for partition, offset in partitions.items()
    }


def _export(query: str, progress: StreamingQueryProgress) -> None:
    metrics.INPUT_RATE.labels(query).set(progress.inputRowsPerSecond or 0)
    metrics.PROCESSED_RATE.labels(query).set(progress.processedRowsPerSecond or 0)
    for phase, milliseconds in progress.durationMs.items():
        metrics.PHASE_SECONDS.labels(query, phase).set(milliseconds / 1000.0)
    for source in progress.sources:
        lag = (source.metrics or {}).get("maxOffsetsBehindLatest")
        metrics.LAG.labels(query).set(float(lag or 0))
