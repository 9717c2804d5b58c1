"""Kafka records -> typed trades in SQL alone, for the queries that Spark aggregates.

The rules are those of `contracts.trade`; an integration test holds the two against each other.
"""

from __future__ import annotations

from functools import reduce
from operator import and_
from typing import Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F  # noqa: N812 - the name every Spark code base uses
from pyspark.sql import types as T  # noqa: N812

from cryptostream.contracts.trade import (
    MAX_NUMBER,
    MAX_NUMBER_CHARS,
    MAX_SHARD_CHARS,
    MAX_TIME_MS,
    MIN_NUMBER,
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
_SAFE: Final = r"^[A-Za-z0-9_.@+-]{1,64}(:[A-Za-z0-9_.@+-]{1,64}){3}$"
_DECIMAL: Final = rf"^(?=.{{1,{MAX_NUMBER_CHARS}}}$)([0-9]+\.?[0-9]*|\.[0-9]+)$"


def read_trades(records: DataFrame) -> DataFrame:
    """Give the good trades among Kafka records; the trades query speaks of the bad ones.

    Columns: those of `TRADE_SCHEMA` with `price` and `size` as double, and `offset`.
    """
    # A generator, because Spark would parse the text once again for each use of a plain column.
    text = F.col("value").cast("string")
    parsed = records.select("offset", F.inline(F.array(F.from_json(text, TRADE_SCHEMA))))
    return parsed.where(_usable()).withColumns(
        {name: F.col(name).try_cast("double") for name in ("price", "size")}
    )


def _usable() -> Column:
    """Say whether the record keeps every rule; never null."""
    trade = {name: F.col(name) for name in FIELDS}
    identity = F.concat_ws(":", *(trade[name] for name in _IDENTITY))
    rules = [
        trade["v"] == TRADE_VERSION,
        identity.rlike(_SAFE),
        *(_is_number(trade[name]) for name in ("price", "size")),
        trade["side"].isin("buy", "sell"),
        *(trade[name].between(MIN_TIME_MS, MAX_TIME_MS) for name in _TIMES),
        trade["seq"] >= 0,
        *(trade[name].isNotNull() for name in ("block_trade", "rpi")),
        trade["origin"].isin("live", "stitched", "replay", "dump"),
        F.length(trade["shard"]) <= MAX_SHARD_CHARS,
    ]
    return F.coalesce(reduce(and_, rules), F.lit(False))  # noqa: FBT003 - a literal, not a flag


_IDENTITY: Final = ("exchange", "category", "symbol", "trade_id")
_TIMES: Final = ("trade_time", "exchange_time", "ingest_time")


def _is_number(text: Column) -> Column:
    number = text.try_cast("double")
    return text.rlike(_DECIMAL) & number.between(MIN_NUMBER, MAX_NUMBER)
