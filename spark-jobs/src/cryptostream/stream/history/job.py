"""The job: read a range's trades once, replay them symbol by symbol, write what they say."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from elasticsearch import Elasticsearch
from pyspark import StorageLevel
from pyspark.sql import SparkSession
from pyspark.sql import functions as F  # noqa: N812

from cryptostream.contracts.errors import CryptostreamError, Failure, SettingsError
from cryptostream.stream.history import compute
from cryptostream.stream.history.elastic import open_point_in_time, read_elasticsearch
from cryptostream.stream.history.kafka import offset_ranges, read_kafka
from cryptostream.stream.history.progress import told
from cryptostream.stream.history.request import HistoryError
from cryptostream.stream.history.rows import INSTRUMENT, ORDER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import DataFrame

    from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings
    from cryptostream.stream.history.progress import Tell
    from cryptostream.stream.history.replay import Market, Tape
    from cryptostream.stream.history.request import Request
    from cryptostream.stream.history.settings import HistorySettings

_TEMPLATE: Final = "crypto-history"


class HistoryRefusedError(CryptostreamError):
    """Elasticsearch refused documents of the job for good."""

    failure = Failure.FATAL


class Job:
    """One run of the job over servers that are there; `tell` hears of its progress."""

    def __init__(
        self,
        request: Request,
        *,
        settings: HistorySettings,
        kafka: KafkaSettings,
        elasticsearch: ElasticsearchSettings,
        tell: Tell,
    ) -> None:
        self._request = request
        self._settings = settings
        self._kafka = kafka
        self._options = elasticsearch.client_options()
        self._tell = tell

    def run(self) -> dict[str, Any]:
        """Do it all; gives run, trades, symbols and documents.

        Raises `HistoryError` and `SettingsError` for what the asker can mend, and lets the
        servers' own errors pass.
        """
        with Elasticsearch(**self._options, request_timeout=compute.TIMEOUT_SECONDS) as client:
            if not client.indices.exists_index_template(name=_TEMPLATE):
                raise HistoryError(
                    f"Elasticsearch has no template {_TEMPLATE}; "
                    "run `python -m cryptostream.cli.setup templates`"
                )
            if self._request.source == "kafka":
                return self._run_kafka()
            with _frozen(client) as pit, _session(self._settings) as spark:
                tasks = self._settings.tasks
                return self._compute(
                    read_elasticsearch(spark, self._options, self._request, pit=pit, tasks=tasks)
                )

    def _run_kafka(self) -> dict[str, Any]:
        ranges = offset_ranges(self._kafka, self._settings.topics_pattern, self._request)
        jars = sorted(self._settings.jars.glob("*.jar")) if self._settings.jars else []
        if not jars:
            raise SettingsError("STREAM_JARS: name the folder with the Kafka connector's jars")
        with _session(self._settings, ",".join(map(str, jars))) as spark:
            return self._compute(read_kafka(spark, self._kafka, ranges))

    def _compute(self, found: DataFrame) -> dict[str, Any]:
        context = found.sparkSession.sparkContext
        # Kept on disk: every later step would read the servers again.
        trades = _restricted(found, self._request).persist(StorageLevel.DISK_ONLY)
        with told(context, "read", self._tell):
            census = _census(trades)
        symbols = {row["symbol"] for row in census}
        self._request.require(symbols)
        with told(context, "reference", self._tell):
            tapes = _tapes(trades, self._request.reference)
        since_ms = min(row["first"] for row in census)
        with told(context, "compute", self._tell):
            documents = self._write(trades, since_ms, tapes)
        return {
            "run": self._request.run,
            "trades": sum(row["trades"] for row in census),
            "symbols": len(set(self._request.symbols) or symbols),
            "documents": documents,
        }

    def _write(self, trades: DataFrame, since_ms: int, tapes: Mapping[Market, Tape]) -> int:
        task = compute.writing(self._request, self._options, since_ms=since_ms, tapes=tapes)
        if self._request.symbols:
            trades = trades.where(F.col("symbol").isin(list(self._request.symbols)))
        spread = trades.repartition(self._settings.tasks, *INSTRUMENT)
        results = spread.sortWithinPartitions(*ORDER).mapInArrow(task, compute.RESULT).collect()
        if refused := sum(row["refused"] for row in results):
            reason = next(row["reason"] for row in results if row["refused"])
            raise HistoryRefusedError(f"Elasticsearch refused {refused} documents: {reason}")
        return sum(row["documents"] for row in results)


def _restricted(found: DataFrame, request: Request) -> DataFrame:
    times = F.col("trade_time")
    found = found.where((times >= request.read_from_ms) & (times < request.to_ms))
    if not request.symbols:
        return found
    return found.where(F.col("symbol").isin([*request.symbols, request.reference]))


def _census(trades: DataFrame) -> list[Any]:
    counts = (F.count(F.lit(1)).alias("trades"), F.min("trade_time").alias("first"))
    return trades.groupBy(*INSTRUMENT).agg(*counts).collect()


def _tapes(trades: DataFrame, reference: str) -> dict[Market, Tape]:
    """Give the reference's prices of each market; 8,640 a day at most."""
    chosen = trades.where(F.col("symbol") == reference).coalesce(1).sortWithinPartitions(*ORDER)
    tapes: dict[Market, Tape] = {}
    for row in chosen.mapInArrow(compute.make_tapes, compute.TAPE).collect():
        tapes.setdefault((row["exchange"], row["category"]), []).append((row["time"], row["price"]))
    return tapes


@contextmanager
def _frozen(client: Elasticsearch) -> Iterator[str]:
    pit = open_point_in_time(client)
    try:
        yield pit
    finally:
        client.options(ignore_status=404).close_point_in_time(id=pit)


@contextmanager
def _session(settings: HistorySettings, jars: str = "") -> Iterator[SparkSession]:
    """Run Spark on this machine."""
    # Workers must run this interpreter, not whatever `python3` the PATH has.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
    builder = SparkSession.builder.appName("cryptostream-history")
    builder = builder.master(f"local[{settings.cores}]")
    for name, value in _spark_options(settings, jars).items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    try:
        yield session
    finally:
        session.stop()


def _spark_options(settings: HistorySettings, jars: str) -> dict[str, str]:
    return {
        "spark.driver.memory": f"{settings.heap_megabytes}m",
        "spark.driver.extraJavaOptions": "-XX:+UseSerialGC -Xss1m",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.caseSensitive": "true",
        "spark.sql.shuffle.partitions": str(settings.tasks),
        # It would join the tasks of quiet symbols, and progress with them.
        "spark.sql.adaptive.enabled": "false",
        **({"spark.jars": jars} if jars else {}),
    }
