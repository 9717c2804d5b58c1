"""Progress of the queries: metrics, and offsets committed to a group that lag tools can see.

Spark keeps its offsets in the checkpoint alone and commits none to Kafka.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptostream.contracts.settings import kafka_options
from cryptostream.stream import metrics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql.streaming.listener import StateOperatorProgress, StreamingQueryProgress
    from pyspark.sql.streaming.query import StreamingQuery

log = logging.getLogger(__name__)


class OffsetCommitter:
    """Commits end offsets to a consumer group of its own; it never consumes."""

    def __init__(self, bootstrap_servers: str, group: str) -> None:
        self._consumer = Consumer(
            {
                **kafka_options(bootstrap_servers),
                "group.id": group,
                "enable.auto.commit": False,
            }
        )

    def commit(self, end_offset: dict[str, dict[str, int]]) -> None:
        """Commit `{topic: {partition: offset}}`; a failure is logged, the next one makes it good.

        Nothing is read from these offsets, so a lost commit costs a moment of wrong lag.
        """
        offsets = [
            TopicPartition(topic, int(partition), offset)
            for topic, partitions in end_offset.items()
            for partition, offset in partitions.items()
        ]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=True)
        except KafkaException as error:
            log.warning("offsets_not_committed", extra={"fields": {"why": error}})


class Progress:
    """Turns the progress of queries into metrics and commits, when asked to look.

    Polled, not a `StreamingQueryListener`: each event of a listener in Python is copied field
    by field from the JVM, which took a tenth of the JVM's time and more of Python's.
    """

    def __init__(self, committer: OffsetCommitter, *, lag_query: str) -> None:
        self._committer = committer
        self._lag_query = lag_query
        self._seen: dict[str, int] = {}

    def look(self, queries: Iterable[StreamingQuery]) -> None:
        """Export every micro-batch that has finished since the last look."""
        for query in queries:
            seen = self._seen.get(query.name, -1)
            fresh = [one for one in query.recentProgress if one.batchId > seen]
            for progress in fresh:
                _export(query.name, progress)
            if fresh:
                self._seen[query.name] = fresh[-1].batchId
            if fresh and query.name == self._lag_query:
                for source in json.loads(fresh[-1].json)["sources"]:
                    self._committer.commit(source["endOffset"] or {})


def _export(query: str, progress: StreamingQueryProgress) -> None:
    metrics.INPUT_RATE.labels(query).set(progress.inputRowsPerSecond or 0)
    metrics.PROCESSED_RATE.labels(query).set(progress.processedRowsPerSecond or 0)
    for phase, milliseconds in progress.durationMs.items():
        metrics.PHASE_SECONDS.labels(query, phase).set(milliseconds / 1000.0)
    for operator in progress.stateOperators:
        _export_state(query, operator)
    for source in progress.sources:
        lag = (source.metrics or {}).get("maxOffsetsBehindLatest")
        metrics.LAG.labels(query).set(float(lag or 0))


def _export_state(query: str, operator: StateOperatorProgress) -> None:
    metrics.STATE_ROWS.labels(f"{query}/{operator.operatorName}").set(operator.numRowsTotal)
    duplicates = operator.customMetrics.get("numDroppedDuplicateRows", 0)
    metrics.DUPLICATES.labels(query).inc(duplicates)
    metrics.LATE.labels(query).inc(operator.numRowsDroppedByWatermark)
