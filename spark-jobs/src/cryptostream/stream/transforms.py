"""Candles as a DataFrame -> DataFrame function."""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812

from cryptostream.contracts.messages import INTERVAL_MS, Interval

CANDLE_INTERVALS: Final[tuple[Interval, ...]] = ("1s", "1m")
#: An hour of milliseconds takes 22 bits, so 2^41 places in a partition are told apart.
_HOUR_MS: Final = 3_600_000
_ARRIVALS: Final = 2**41
_KEY: Final = ("exchange", "category", "symbol", "trade_id")


def candles(trades: DataFrame, *, watermark_seconds: int) -> DataFrame:
    """Aggregate trades into candles of every interval, in one stateful step.

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
    # Within one millisecond the order of arrival decides. One number, because only then Spark
    # aggregates by hash; a struct makes it sort every batch.
    order = F.col("trade_time") % _HOUR_MS * _ARRIVALS + F.col("offset") % _ARRIVALS
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
