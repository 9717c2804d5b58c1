"""Progress of the queries: metrics, and offsets committed to a group that lag tools can see.

Spark keeps its offsets in the checkpoint alone and commits none to Kafka.
"""

from __future__ import annotations

import json
import logging
from threading import Event
from typing import TYPE_CHECKING, Any

from confluent_kafka import Consumer, KafkaException, TopicPartition
from pyspark.sql.streaming.listener import StreamingQueryListener

from cryptostream.stream import metrics

if TYPE_CHECKING:
    from pyspark.sql.streaming.listener import (
        QueryIdleEvent,
        QueryProgressEvent,
        QueryStartedEvent,
        QueryTerminatedEvent,
    )

log = logging.getLogger(__name__)


class OffsetCommitter:
    """Commits end offsets to a consumer group of its own; it never consumes."""

    def __init__(self, bootstrap_servers: str, group: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap_servers,
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


class Progress(StreamingQueryListener):
    """Turns query progress into metrics and commits; tells when each query has run once."""

    def __init__(self, committer: OffsetCommitter, *, lag_query: str) -> None:
        self._committer = committer
        self._lag_query = lag_query
        self.first_batch = {lag_query: Event()}

    def onQueryStarted(self, event: QueryStartedEvent) -> None:  # noqa: N802 - Spark's name
        """Log that a query runs."""
        log.info("query_started", extra={"fields": {"query": event.name}})

    def onQueryProgress(self, event: QueryProgressEvent) -> None:  # noqa: N802
        """Export one finished micro-batch. Spark swallows errors here, so they are logged."""
        try:
            self._export(json.loads(event.progress.json))
        except (KeyError, ValueError, TypeError):
            log.exception("progress_unreadable")

    def onQueryIdle(self, event: QueryIdleEvent) -> None:  # noqa: N802
        """Nothing to read is nothing to tell."""

    def onQueryTerminated(self, event: QueryTerminatedEvent) -> None:  # noqa: N802
        """Log the end of a query, with its exception if it failed."""
        log.info("query_ended", extra={"fields": {"id": event.id, "why": event.exception}})

    def _export(self, progress: dict[str, Any]) -> None:
        query = progress["name"]
        metrics.INPUT_RATE.labels(query).set(progress.get("inputRowsPerSecond") or 0)
        metrics.PROCESSED_RATE.labels(query).set(progress.get("processedRowsPerSecond") or 0)
        for phase, milliseconds in progress.get("durationMs", {}).items():
            metrics.PHASE_SECONDS.labels(query, phase).set(milliseconds / 1000.0)
        for operator in progress["stateOperators"]:
            _export_state(query, operator)
        for source in progress["sources"]:
            lag = (source.get("metrics") or {}).get("maxOffsetsBehindLatest")
            metrics.LAG.labels(query).set(float(lag or 0))
            if query == self._lag_query and source["endOffset"]:
                self._committer.commit(source["endOffset"])


def _export_state(query: str, operator: dict[str, Any]) -> None:
    name = operator["operatorName"]
    metrics.STATE_ROWS.labels(f"{query}/{name}").set(operator["numRowsTotal"])
    duplicates = operator.get("customMetrics", {}).get("numDroppedDuplicateRows", 0)
    metrics.DUPLICATES.labels(query).inc(duplicates)
    metrics.LATE.labels(query).inc(operator.get("numRowsDroppedByWatermark", 0))
