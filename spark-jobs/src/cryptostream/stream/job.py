"""The job: its queries, started, watched and stopped together.

One reads the trades topics, the other the topics of gaps, alerts and dead letters.
"""

from __future__ import annotations

import logging
import time
from threading import Thread
from typing import TYPE_CHECKING, Final

from elasticsearch import ApiError, TransportError
from pyspark.sql import functions as F  # noqa: N812

from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.indices import index_templates
from cryptostream.stream import metrics
from cryptostream.stream.alerts import AlertSink
from cryptostream.stream.bulk import BulkWriter, connect
from cryptostream.stream.dead_letters import DeadLetters
from cryptostream.stream.engine import Engine
from cryptostream.stream.executors import InExecutors, Servers
from cryptostream.stream.journal import Journal
from cryptostream.stream.messages import (
    MAX_MESSAGES,
    MESSAGES_COLUMNS,
    MESSAGES_TOPICS,
    MessagesQuery,
)
from cryptostream.stream.predictor import Predictor
from cryptostream.stream.probe import Probe
from cryptostream.stream.progress import OffsetCommitter, Progress
from cryptostream.stream.records import COLUMNS
from cryptostream.stream.rules import load_rules
from cryptostream.stream.session import build_session, without_codegen
from cryptostream.stream.settle import OnDriver, Settler
from cryptostream.stream.shape import SHAPE, claim
from cryptostream.stream.topic_ids import TopicsChangedError, check_topics, recovery
from cryptostream.stream.trades import TradesQuery

if TYPE_CHECKING:
    from threading import Event

    from elasticsearch import Elasticsearch
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming.query import StreamingQuery
    from pyspark.sql.streaming.readwriter import DataStreamReader

    from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings
    from cryptostream.stream.settings import StreamSettings
    from cryptostream.stream.settle import Placement

log = logging.getLogger(__name__)

TRADES: Final = "trades"
MESSAGES: Final = "messages"
#: Nobody waits for them at the page, and an idle look costs next to nothing this seldom.
MESSAGES_TRIGGER: Final = "5 seconds"
#: For the batches that run when the stop comes; the supervisor kills after 8.
STOP_SECONDS: Final = 6.0
#: Spark keeps the progress of the last 20 batches; none is as quick as 50 ms.
LOOK_SECONDS: Final = 1.0
#: Elasticsearch may start beside the stream; on two cold cores that takes a minute.
TEMPLATES_SECONDS: Final = 180.0
#: Spark fetches only what is there, and after each fetch asks for a partition's ends. The broker
#: answers one request of a connection after the other, so that question stood behind the client's
#: own next fetch, which waited for records: 500 ms by default, for each partition in turn.
FETCH_WAIT_MS: Final = 1
_POLL_SECONDS: Final = 0.5


class TemplatesMissingError(CryptostreamError):
    """Elasticsearch has not the index templates that the documents are written for."""


def require_templates(
    client: Elasticsearch, *, stop: Event, within: float = TEMPLATES_SECONDS
) -> None:
    """Wait for the index templates, or for `stop`; raises `TemplatesMissingError`.

    A document written before its template exists would make an index with guessed types.
    """
    deadline = time.monotonic() + within
    wanted = index_templates()
    while not stop.is_set():
        try:
            if all(client.indices.exists_index_template(name=name) for name in wanted):
                return
            why = "run the set-up (`python -m cryptostream.cli.setup templates`)"
        except (ApiError, TransportError) as error:
            why = f"Elasticsearch does not answer: {error}"
        if time.monotonic() > deadline:
            raise TemplatesMissingError(f"no index templates after {within:.0f} s; {why}")
        stop.wait(_POLL_SECONDS)


class Job:
    """The stream's Spark session, its queries and their sinks."""

    def __init__(
        self, settings: StreamSettings, kafka: KafkaSettings, elasticsearch: ElasticsearchSettings
    ) -> None:
        self._settings = settings
        self._kafka = kafka
        self._elasticsearch = elasticsearch
        # Before the JVM, so that settings that can't be used are told at once.
        self._rules = load_rules(settings.rules)
        claim(settings.checkpoint)
        self._checkpoint = settings.checkpoint / SHAPE.version
        self._spark = build_session(settings)

    def run(self, *, stop: Event, ready: Event) -> int:
        """Run until `stop` is set (gives 0) or a query fails (gives 1)."""
        topics = "|".join((self._settings.topics_pattern, *MESSAGES_TOPICS))
        try:
            require_templates(connect(self._elasticsearch), stop=stop)
            check_topics(self._kafka.bootstrap_servers, topics, self._checkpoint)
        except (TemplatesMissingError, TopicsChangedError) as error:
            missing = isinstance(error, TemplatesMissingError)
            event = "templates_missing" if missing else "topics_changed"
            log.critical(event, extra={"fields": {"why": error}})
            return 1
        if stop.is_set():
            return 0
        committer = OffsetCommitter(self._kafka.bootstrap_servers, self._settings.consumer_group)
        progress = Progress(committer, lag_query=TRADES)
        warm_up(self._spark)
        trades = self._trades_query()
        queries = [self._start_trades(trades), self._start_messages()]
        # Its own thread: an outage of Elasticsearch must not keep this one from stopping.
        Thread(target=trades.settle_silences, args=(stop,), daemon=True).start()
        Probe(connect(self._elasticsearch), metrics.SETTLED).start(stop)
        ready.set()
        while not stop.wait(LOOK_SECONDS):
            progress.look(queries)
            failed = next((query for query in queries if not query.isActive), None)
            if failed is not None:
                why = str(failed.exception())
                fields = {"query": failed.name, "recovery": recovery(why), "why": why}
                log.error("query_failed", extra={"fields": fields})
                return 1
        deadline = time.monotonic() + STOP_SECONDS
        stopped = [let_commit(query, deadline) for query in queries]
        if all(stopped):
            progress.look(queries)
            self._spark.stop()
        return 0

    def _trades_query(self) -> TradesQuery:
        refresh_seconds = self._settings.refresh_seconds or None
        writer = BulkWriter(connect(self._elasticsearch), refresh_seconds=refresh_seconds)
        return TradesQuery(
            placement=self._placement(writer),
            writer=writer,
            dead_letters=DeadLetters(self._kafka.bootstrap_servers),
            alerts=AlertSink(self._kafka.bootstrap_servers),
            journal=Journal(
                self._checkpoint / "journal",
                horizon_ms=self._settings.dedup_horizon_seconds * 1000,
                new_engine=self._new_engine,
            ),
        )

    def _placement(self, writer: BulkWriter) -> Placement:
        url, timeout = self._settings.predictor_url, self._settings.predictor_timeout_seconds
        settler = Settler(writer=writer, predictor=Predictor(url, timeout_seconds=timeout))
        if self._settings.placement == "driver":
            return OnDriver(settler)
        return InExecutors(self._spark, Servers(self._elasticsearch, url, timeout), settler)

    def _new_engine(self, forgetful: bool) -> Engine:  # noqa: FBT001 - the journal's one question
        return Engine(
            self._rules,
            lateness_ms=round(self._settings.lateness_seconds * 1000),
            update_ms=round(self._settings.candle_update_seconds * 1000),
            forgetful=forgetful,
        )

    def _start_trades(self, query: TradesQuery) -> StreamingQuery:
        self._pool(TRADES)
        return (
            self._records(without_codegen(self._spark))
            .select(*COLUMNS)
            .writeStream.queryName(TRADES)
            .option("checkpointLocation", str(self._checkpoint / TRADES))
            .trigger(processingTime=f"{round(self._settings.trigger_seconds * 1000)} milliseconds")
            .foreachBatch(query.process)
            .start()
        )

    def _start_messages(self) -> StreamingQuery:
        query = MessagesQuery(writer=BulkWriter(connect(self._elasticsearch)))
        self._pool(MESSAGES)
        return (
            self._source(without_codegen(self._spark), limit=MAX_MESSAGES)
            .option("subscribe", ",".join(MESSAGES_TOPICS))
            .load()
            .select(*MESSAGES_COLUMNS)
            .coalesce(1)
            .writeStream.queryName(MESSAGES)
            .option("checkpointLocation", str(self._checkpoint / MESSAGES))
            .trigger(processingTime=MESSAGES_TRIGGER)
            .foreachBatch(query.process)
            .start()
        )

    def _records(self, spark: SparkSession) -> DataFrame:
        return (
            self._source(spark, limit=self._settings.max_offsets_per_trigger)
            .option("subscribePattern", self._settings.topics_pattern)
            .load()
            .withColumn("kafka_time", F.unix_millis("timestamp"))
            .coalesce(self._settings.read_tasks)
        )

    def _source(self, spark: SparkSession, *, limit: int) -> DataStreamReader:
        return (
            spark.readStream.format("kafka")
            .options(**self._kafka.spark_options())
            .option("kafka.fetch.max.wait.ms", FETCH_WAIT_MS)
            .option("startingOffsets", "earliest")
            # A topic that lost what was not read yet must stop the stream, not shorten it.
            .option("failOnDataLoss", "true")
            .option("maxOffsetsPerTrigger", limit)
        )

    def _pool(self, name: str) -> None:
        """Give the query started next a scheduler pool of its own."""
        self._spark.sparkContext.setLocalProperty("spark.scheduler.pool", name)


def warm_up(spark: SparkSession) -> None:
    """Fetch a row once, so that the first trades don't wait for cold code."""
    spark.range(1).select(F.lit("{}").cast("binary").alias("value"), "id").toArrow()


def let_commit(query: StreamingQuery, deadline: float) -> bool:
    """Let the running micro-batch commit, then stop; a plain stop would interrupt it.

    A batch that waits for a server beyond the deadline is left to die with the process: the next
    start runs it again. Gives whether the query has stopped.
    """
    while query.isActive and query.status["isTriggerActive"]:
        if time.monotonic() > deadline:
            log.warning("stopped_amid_batch", extra={"fields": {"query": query.name}})
            return False
        time.sleep(0.02)
    query.stop()
    return True
