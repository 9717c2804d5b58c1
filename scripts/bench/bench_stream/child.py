"""One variant in a Spark session of its own: `python -m bench_stream.child <variant>`.

Each micro-batch is told on standard output as one JSON object: `trades`, and the clock at its
start and end in seconds. Runs until it is ended.
"""

from __future__ import annotations

import cProfile
import json
import os
import pstats
import signal
import sys
import time
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Protocol

from pyspark.sql import functions as F  # noqa: N812

from bench_stream.variants import Obvious, PlainIndex, ReadOnly
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings
from cryptostream.stream import job
from cryptostream.stream.records import COLUMNS
from cryptostream.stream.session import build_session, without_codegen
from cryptostream.stream.settings import StreamSettings
from cryptostream.stream.trades import TradesQuery

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

PROFILE: Final = os.environ.get("BENCH_PROFILE", "")
_SHOWN: Final = 45


class Variant(Protocol):
    """Takes micro-batches."""

    def process(self, batch: DataFrame, batch_id: int, /) -> int:
        """Give the number of trades."""
        ...


class Counted:
    """A micro-batch that knows how many rows were taken from it."""

    def __init__(self, batch: DataFrame) -> None:
        self._batch = batch
        self.rows = 0

    def toArrow(self) -> Any:  # noqa: N802 - as Spark names it
        """Give the rows."""
        table = self._batch.toArrow()
        self.rows = table.num_rows
        return table


class Timed(TradesQuery):
    """The project's own query, its batches told."""

    profile = cProfile.Profile() if PROFILE else None

    def process(self, batch: DataFrame, batch_id: int) -> None:
        """Settle the batch."""
        started, counted = time.time(), Counted(batch)
        if self.profile is None:
            super().process(counted, batch_id)  # type: ignore[arg-type]
        else:
            self.profile.runcall(super().process, counted, batch_id)
            with open(PROFILE, "w") as report:  # noqa: PTH123 - what pstats wants
                pstats.Stats(self.profile, stream=report).sort_stats("tottime").print_stats(_SHOWN)
        tell(counted.rows, started)


def tell(trades: int, started: float) -> None:
    """Tell of a finished batch."""
    told = {"trades": trades, "start": started, "end": time.time()}
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


def run_full(settings: StreamSettings, kafka: KafkaSettings, search: ElasticsearchSettings) -> None:
    """Run the stream as it is."""
    job.TradesQuery = Timed  # type: ignore[misc]
    stop = Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    job.Job(settings, kafka, search).run(stop=stop, ready=Event())


def run_other(
    name: str, settings: StreamSettings, kafka: KafkaSettings, search: ElasticsearchSettings
) -> None:
    """Run one of the others over the same source."""
    client = job.connect(search)
    variant: Variant = {
        "read_only": ReadOnly,
        "plain_index": lambda: PlainIndex(client),
        "obvious": lambda: Obvious(client, settings.predictor_url),
    }[name]()

    def process(batch: DataFrame, batch_id: int) -> None:
        started = time.time()
        tell(variant.process(batch, batch_id), started)

    spark = build_session(settings)
    job.warm_up(spark)
    source = (spark if name == "obvious" else without_codegen(spark)).readStream.format("kafka")
    records = (
        source.options(**kafka.spark_options())
        .option("subscribePattern", settings.topics_pattern)
        .option("startingOffsets", "earliest")
        .option("maxOffsetsPerTrigger", settings.max_offsets_per_trigger)
        .load()
        .withColumn("kafka_time", F.unix_millis("timestamp"))
        .coalesce(settings.read_tasks)
        .select(*COLUMNS)
    )
    records.writeStream.option("checkpointLocation", str(settings.checkpoint)).foreachBatch(
        process
    ).start().awaitTermination()


def main() -> None:
    """Run the variant that is named."""
    settings = load_settings(StreamSettings)
    kafka, search = load_settings(KafkaSettings), load_settings(ElasticsearchSettings)
    name = sys.argv[1]
    if name == "full":
        run_full(settings, kafka, search)
    else:
        run_other(name, settings, kafka, search)


if __name__ == "__main__":
    main()
