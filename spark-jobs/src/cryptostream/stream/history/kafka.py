"""Trades out of Kafka: the records whose time lies in the range, as one batch."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

import pyarrow as pa
from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.trade import decode_trade
from cryptostream.stream.history.request import HistoryError
from cryptostream.stream.history.rows import ARROW_SCHEMA, COLUMNS, SPARK_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession

    from cryptostream.contracts.settings import KafkaSettings
    from cryptostream.stream.history.request import Request

#: A record is written after its trade: at once, or once a reconnect has fetched what was missed.
LATEST_WRITE_MS: Final = 3_600_000
#: Clocks of the exchange and of the broker may differ.
CLOCK_SKEW_MS: Final = 60_000
_ASK_SECONDS: Final = 15.0
_SIGN: Final = {"buy": 1, "sell": -1}

#: topic -> partition -> (first offset, offset after the last one).
Ranges = dict[str, dict[int, tuple[int, int]]]


def offset_ranges(settings: KafkaSettings, pattern: str, request: Request) -> Ranges:
    """Ask which offsets may hold the range's trades; raises `HistoryError` if none do."""
    consumer = Consumer({**settings.client_options(), "group.id": "cryptostream-history"})
    try:
        places = _partitions(consumer, pattern)
        begins = _offsets(consumer, places, request.read_from_ms - CLOCK_SKEW_MS)
        ends = _offsets(consumer, places, request.to_ms + LATEST_WRITE_MS)
    except KafkaException as error:
        raise HistoryError(
            f"Kafka at {settings.bootstrap_servers} can't be asked: {error.args[0].str()}"
        ) from error
    finally:
        consumer.close()
    ranges: Ranges = {}
    for (topic, partition), first in begins.items():
        ranges.setdefault(topic, {})[partition] = (first, ends[topic, partition])
    if all(first >= end for parts in ranges.values() for first, end in parts.values()):
        raise HistoryError("Kafka holds no trades of this range (any more); see its retention.ms")
    return ranges


def _partitions(consumer: Consumer, pattern: str) -> list[tuple[str, int]]:
    topics = consumer.list_topics(timeout=_ASK_SECONDS).topics
    return [
        (name, partition)
        for name, topic in sorted(topics.items())
        if re.fullmatch(pattern, name)
        for partition in sorted(topic.partitions)
    ]


def _offsets(
    consumer: Consumer, places: list[tuple[str, int]], time_ms: int
) -> dict[tuple[str, int], int]:
    """Give each partition's first offset at a time, its end where nothing is so new."""
    asked = [TopicPartition(*place, time_ms) for place in places]
    found = consumer.offsets_for_times(asked, timeout=_ASK_SECONDS) if asked else []
    offsets = {}
    for item in found:
        end = consumer.get_watermark_offsets(item, timeout=_ASK_SECONDS)[1]
        offsets[item.topic, item.partition] = item.offset if item.offset >= 0 else end
    return offsets


def read_kafka(spark: SparkSession, settings: KafkaSettings, ranges: Ranges) -> DataFrame:
    """Give the trades at the offsets, columns as in `rows`; records that are none are left out.

    (The stream has sent those to the dead letters.)
    """
    options = {
        **settings.spark_options(),
        "assign": json.dumps({topic: list(parts) for topic, parts in ranges.items()}),
        "startingOffsets": _side(ranges, 0),
        "endingOffsets": _side(ranges, 1),
        "failOnDataLoss": "true",
    }
    records = spark.read.format("kafka").options(**options).load()
    return records.select("value", "partition", "offset").mapInArrow(_decode, SPARK_SCHEMA)


def _side(ranges: Ranges, side: int) -> str:
    return json.dumps(
        {
            topic: {str(partition): offsets[side] for partition, offsets in parts.items()}
            for topic, parts in ranges.items()
        }
    )


def _decode(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        columns = (batch.column(number).to_pylist() for number in range(batch.num_columns))
        rows = [row for record in zip(*columns, strict=True) for row in _rows(*record)]
        values = list(zip(*rows, strict=True)) or [()] * len(COLUMNS)
        yield pa.RecordBatch.from_arrays(
            [
                pa.array(column, field.type)
                for column, field in zip(values, ARROW_SCHEMA, strict=True)
            ],
            schema=ARROW_SCHEMA,
        )


def _rows(value: bytes | None, partition: int, offset: int) -> list[tuple[object, ...]]:
    """Give the record's trade; none for a record that is no trade."""
    try:
        trade = decode_trade(value or b"")
    except ContractError:
        return []
    who = (trade.exchange, trade.category, trade.symbol, trade.trade_time, trade.seq)
    what = (trade.trade_id, float(trade.price), float(trade.size), _SIGN[trade.side])
    return [(*who, partition, offset, *what)]
