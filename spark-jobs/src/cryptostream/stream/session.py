"""The Spark session: every option that differs from Spark's defaults, with its reason."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from pyspark.sql import SparkSession

from cryptostream.contracts.errors import SettingsError

if TYPE_CHECKING:
    from cryptostream.stream.settings import StreamSettings

APP_NAME: Final = "cryptostream"
#: Spark's own default in a cluster: the loss of a Python worker must not cost a restart.
TASK_TRIES: Final = 4
#: The default manager runs a `readlink` process for each rename, some forty a second.
_FILE_MANAGER: Final = (
    "org.apache.spark.sql.execution.streaming.checkpointing.FileSystemBasedCheckpointFileManager"
)
#: The whole stack shares one machine: small pools, and the collector that needs no threads.
_JVM_OPTIONS: Final = (
    "-XX:+UseSerialGC -XX:MaxMetaspaceSize=256m -XX:ReservedCodeCacheSize=128m -Xss1m"
)


def build_session(settings: StreamSettings) -> SparkSession:
    """Start Spark; raises `SettingsError` if the connector's jars are missing."""
    jars = sorted(settings.jars.glob("*.jar"))
    if not jars:
        raise SettingsError(
            f"STREAM_JARS: no jars in {settings.jars}; name the Kafka connector's folder"
        )
    # Workers must run this interpreter, not whatever `python3` the PATH has.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    options = {**_options(settings), "spark.jars": ",".join(str(jar) for jar in jars)}
    if settings.master == "local":
        os.environ["SPARK_LOCAL_IP"] = "127.0.0.1"
        options |= _local(settings)
    builder = SparkSession.builder.appName(APP_NAME)
    for name, value in options.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("WARN")
    return session


def without_codegen(spark: SparkSession) -> SparkSession:
    """Give a session beside this one for a query that only hands its rows on.

    For a thousand plain rows, writing and looking up Java source costs more than it saves.
    """
    plain = spark.newSession()
    plain.conf.set("spark.sql.codegen.wholeStage", "false")
    plain.conf.set("spark.sql.codegen.factoryMode", "NO_CODEGEN")
    return plain


def _local(settings: StreamSettings) -> dict[str, str]:
    """Run Spark in this process's JVM alone."""
    tries = TASK_TRIES if settings.placement == "executors" else 1
    return {
        "spark.master": f"local[{settings.cores},{tries}]",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }


def _options(settings: StreamSettings) -> dict[str, str]:
    return {
        "spark.driver.memory": f"{settings.heap_megabytes}m",
        "spark.driver.extraJavaOptions": _JVM_OPTIONS,
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # The queries share the cores; without pools a long batch of one delays the other.
        "spark.scheduler.mode": "FAIR",
        "spark.sql.session.timeZone": "UTC",
        # Exchanges use names that differ in case only: Bybit has both `s` and `S`.
        "spark.sql.caseSensitive": "true",
        # Adaptive planning can't help fixed small batches and costs each of them.
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.cache.maxEntries": "200",
        "spark.sql.streaming.checkpointFileManagerClass": _FILE_MANAGER,
        "spark.sql.streaming.minBatchesToRetain": "10",
        "spark.sql.streaming.numRecentProgressUpdates": "20",
    }
