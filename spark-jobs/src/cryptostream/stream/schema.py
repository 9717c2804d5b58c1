"""Kafka records -> typed trades: the parse is the schema contract, in SQL alone.

The rules are those of `contracts.trade`; an integration test holds the two against each other.
"""

from __future__ import annotations

from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - the name every Spark code base uses
from pyspark.sql import types as T  # noqa: N812

from cryptostream.contracts.trade import (
    MAX_NUMBER_CHARS,
    MAX_TIME_MS,
    MIN_TIME_MS,
    TRADE_VERSION,
)

TRADE_SCHEMA: Final = T.StructType(
    [
        T.StructField("exchange", T.StringType()),
        T.StructField("category", T.StringType()),
        T.StructField("symbol", T.StringType()),
        T.StructField("trade_id", T.StringType()),
        T.StructField("price", T.StringType()),
        T.StructField("size", T.StringType()),
        T.StructField("side", T.StringType()),
        T.StructField("trade_time", T.LongType()),
        T.StructField("exchange_time", T.LongType()),
        T.StructField("ingest_time", T.LongType()),
        T.StructField("seq", T.LongType()),
        T.StructField("block_trade", T.BooleanType()),
        T.StructField("rpi", T.BooleanType()),
        T.StructField("origin", T.StringType()),
        T.StructField("shard", T.StringType()),
        T.StructField("v", T.IntegerType()),
    ]
)
FIELDS: Final = tuple(field.name for field in TRADE_SCHEMA)
_SAFE: Final = r"^[A-Za-z0-9_.@+-]{1,64}$"
_DECIMAL: Final = rf"^(?=.{{1,{MAX_NUMBER_CHARS}}}$)([0-9]+\.?[0-9]*|\.[0-9]+)$"


def parse_trades(records: DataFrame) -> DataFrame:
    """Give one row per Kafka record: the trade's fields, where it lay, and why it is unusable.

    Columns: those of `TRADE_SCHEMA` with `price` and `size` as double, `kafka_time` (epoch ms),
    `topic`, `partition`, `offset`, `reason` (null for a good trade) and `raw` (the record's
    bytes, null for a good trade).
    """
    parsed = records.select(
        F.from_json(F.col("value").cast("string"), TRADE_SCHEMA).alias("trade"),
        F.unix_millis("timestamp").alias("kafka_time"),
        "topic",
        "partition",
        "offset",
        "value",
    )
    judged = parsed.select("*", "trade.*", _reason().alias("reason")).drop("trade")
    return judged.select(
        *(field for field in FIELDS if field not in ("price", "size")),
        F.expr("try_cast(price AS double)").alias("price"),
        F.expr("try_cast(size AS double)").alias("size"),
        "kafka_time",
        "topic",
        "partition",
        "offset",
        "reason",
        F.when(F.col("reason").isNotNull(), F.col("value")).alias("raw"),
    )


def good_trades(parsed: DataFrame) -> DataFrame:
    """Keep the usable trades of `parse_trades`."""
    return parsed.where(F.col("reason").isNull()).drop("reason", "raw")


def _reason() -> Column:
    """Name the first rule that the record breaks; null if it breaks none."""
    trade = F.col("trade")
    rules = [
        ("empty", F.col("value").isNull()),
        ("bad_json", trade.isNull() | trade["v"].isNull() & trade["symbol"].isNull()),
        ("bad_version", _fails(trade["v"] == TRADE_VERSION)),
        *((f"bad_{name}", _fails(trade[name].rlike(_SAFE))) for name in _IDENTITY),
        *((f"bad_{name}", _fails(_is_positive(trade[name]))) for name in ("price", "size")),
        ("bad_side", _fails(trade["side"].isin("buy", "sell"))),
        *((f"bad_{name}", _fails(_is_time(trade[name]))) for name in _TIMES),
        ("bad_seq", _fails(trade["seq"] >= 0)),
        *((f"bad_{name}", trade[name].isNull()) for name in ("block_trade", "rpi", "shard")),
        ("bad_origin", _fails(trade["origin"].isin("live", "stitched", "replay", "dump"))),
    ]
    reason = F.lit(None).cast("string")
    for name, broken in reversed(rules):
        reason = F.when(broken, F.lit(name)).otherwise(reason)
    return reason


_IDENTITY: Final = ("exchange", "category", "symbol", "trade_id")
_TIMES: Final = ("trade_time", "exchange_time", "ingest_time")


def _fails(rule: Column) -> Column:
    """Say that a rule is broken; an unknown (null) answer breaks it too."""
    return ~F.coalesce(rule, F.lit(False))  # noqa: FBT003 - a literal, not a flag


def _is_positive(text: Column) -> Column:
    number = text.try_cast("double")
    return text.rlike(_DECIMAL) & (number > 0) & (number < float("inf"))


def _is_time(value: Column) -> Column:
    return value.between(MIN_TIME_MS, MAX_TIME_MS)
