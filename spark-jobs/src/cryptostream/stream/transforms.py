"""Deduplication and candles as DataFrame -> DataFrame functions."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from cryptostream.contracts.messages import INTERVAL_MS, Interval

CANDLE_INTERVALS: Final[tuple[Interval, ...]] = ("1s", "1m")
_KEY: Final = ("exchange", "category", "symbol", "trade_id")


def deduplicate(parsed: DataFrame, *, horizon_seconds: int) -> DataFrame:
    """Keep the first of the rows with one trade id; unusable rows are all kept.

    The horizon runs in processing time: every row of a micro-batch carries the batch's own
    start, which Spark logs and repeats on a replay. So no trade can ever be too late, which an
    event-time watermark can't promise: it drops late rows without a word. Beyond the horizon
    the document's id still makes a repeated trade one document.
    """
    record = F.concat_ws("/", "topic", F.col("partition"), F.col("offset"))
    identity = F.when(F.col("reason").isNull(), F.concat_ws(":", *_KEY)).otherwise(record)
    return (
        parsed.withColumn("identity", identity)
        .withColumn("arrived", F.current_timestamp())
        .withWatermark("arrived", f"{horizon_seconds} seconds")
        .dropDuplicatesWithinWatermark(["identity"])
        .drop("identity")
    )


def candles(trades: DataFrame, *, watermark_seconds: int) -> DataFrame:
    """Aggregate deduplicated trades into candles of every interval, in one stateful step.

    Each trade is counted once per interval. A candle changes until its start is
    `watermark_seconds` behind the newest start; a trade for an older one is late: Spark drops
    and counts it (`numRowsDroppedByWatermark`).

    Columns: exchange, category, symbol, interval, start (timestamp), open, high, low, close,
    volume, turnover, trades, buy_volume, sell_volume.
    """
    spread = (
        trades.select("*", F.explode(F.array(*map(_bucket, CANDLE_INTERVALS))).alias("bucket"))
        .select("*", "bucket.interval", "bucket.start")
        .withWatermark("start", f"{watermark_seconds} seconds")
        .dropDuplicatesWithinWatermark([*_KEY, "interval"])
    )
    # Within one millisecond the exchange's sequence decides, then the order of arrival.
    order = F.struct("trade_time", "seq", "offset")
    bought = F.when(F.col("side") == "buy", F.col("size")).otherwise(0.0)
    return spread.groupBy("exchange", "category", "symbol", "interval", "start").agg(
        F.min_by("price", order).alias("open"),
        F.max("price").alias("high"),
        F.min("price").alias("low"),
        F.max_by("price", order).alias("close"),
        F.sum("size").alias("volume"),
        F.sum(F.col("price") * F.col("size")).alias("turnover"),
        F.count(F.lit(1)).alias("trades"),
        F.sum(bought).alias("buy_volume"),
        F.sum(F.col("size") - bought).alias("sell_volume"),
    )


def _bucket(interval: Interval) -> Column:
    length = INTERVAL_MS[interval]
    start = F.timestamp_millis(F.col("trade_time") - F.col("trade_time") % length)
    return F.struct(F.lit(interval).alias("interval"), start.alias("start"))
