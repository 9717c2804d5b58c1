"""Spark's reading of trades, against the contract's."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from pyspark.sql import SparkSession
from support.trades import a_trade

from cryptostream.cli.jdk import find_jdk
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import decode_trade, encode_trade
from cryptostream.stream.schema import read_trades

if TYPE_CHECKING:
    from collections.abc import Iterator

GOOD = msgspec.to_builtins(a_trade())
VARIANTS: list[dict[str, Any]] = [
    {},
    {"price": "1."},
    {"price": ".5"},
    {"price": "1e5"},
    {"price": "-1"},
    {"price": "0"},
    {"price": "NaN"},
    {"price": "9" * 40},
    {"price": "9" * 41},
    {"price": "1e400"},
    {"size": " 1 "},
    {"size": "\u0661"},
    {"size": None},
    {"side": "Buy"},
    {"symbol": 'a"b'},
    {"symbol": ""},
    {"trade_id": "x" * 64},
    {"trade_id": "x" * 65},
    {"trade_id": "a:b"},
    {"exchange": None},
    {"trade_time": 1_795_000_000},
    {"exchange_time": "soon"},
    {"ingest_time": 2**70},
    {"seq": -1},
    {"seq": 2**63 - 1},
    {"seq": 2**63},
    {"block_trade": None},
    {"rpi": "yes"},
    {"origin": "guess"},
    {"shard": ""},
    {"shard": "s" * 65},
    {"v": 2},
    {"v": None},
    {"field_of_a_later_version": 1},
]


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    """Give a small Spark session with the stream's reading options."""
    os.environ["JAVA_HOME"] = str(find_jdk().home)
    builder = SparkSession.builder.master("local[1]").config("spark.ui.enabled", "false")
    session = builder.config("spark.sql.caseSensitive", "true").getOrCreate()
    yield session
    session.stop()


def test_spark_and_the_contract_judge_alike(spark: SparkSession) -> None:
    """Candles count exactly the records that the contract calls trades."""
    values = [msgspec.json.encode({**GOOD, **changes}) for changes in VARIANTS]
    values += [b"", b"{", b"[]", b"null", b"\xff\xfe", encode_trade(a_trade(trade_id="last"))]
    frame = spark.createDataFrame(list(enumerate(values)), "offset BIGINT, value BINARY")
    kept = {row["offset"] for row in read_trades(frame).select("offset").collect()}
    assert kept == {place for place, value in enumerate(values) if _is_trade(value)}
    assert {0, len(values) - 1} <= kept


def _is_trade(value: bytes) -> bool:
    try:
        decode_trade(value)
    except ContractError:
        return False
    return True


def test_a_record_is_parsed_once(spark: SparkSession, capsys: pytest.CaptureFixture[str]) -> None:
    """The plan holds one JSON parser, not one for each column: that was two thirds of the work."""
    frame = spark.createDataFrame([(0, b"{}")], "offset BIGINT, value BINARY")
    read_trades(frame).groupBy("symbol").avg("price").explain()
    assert capsys.readouterr().out.count("from_json") == 1
