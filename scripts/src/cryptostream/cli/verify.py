"""Is every trade there, once? The exchange's ledger, Kafka and Elasticsearch, held together.

A trade is lost if the ledger or Kafka has it and no document does; it is duplicated if more
than one document has its id. Ids are those of `contracts.indices.trade_id`.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec
from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.indices import TRADES_INDICES, trade_id
from cryptostream.contracts.settings import kafka_options
from cryptostream.contracts.topics import DEAD_LETTERS, TRADES_PATTERN
from cryptostream.contracts.trade import decode_trade

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from confluent_kafka import Message
    from elasticsearch import Elasticsearch

STREAM_GROUP: Final = "cryptostream-stream"
_TIMEOUT_SECONDS: Final = 10.0
_PAGE: Final = 10_000
_POLL_SECONDS: Final = 0.2
#: As long as Kafka shows nothing new for this long the end of a topic is reached.
_READ_DEADLINE_SECONDS: Final = 300.0

#: (topic, partition) -> offset.
Offsets = dict[tuple[str, int], int]


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """What three witnesses say; each `lost_*` and `duplicates` holds trade ids.

    Attributes:
        sent: trades in the exchange's ledger; None where the exchange keeps none for us.
        kafka: distinct trades in Kafka.
        kafka_records: records in Kafka, repeated and unreadable ones included.
        documents: trade documents of those trades.
        lost_before_kafka: in the ledger, not in Kafka.
        lost_after_kafka: in Kafka, in no document.
        duplicates: in more than one document.
        dead_letters: records in the dead-letter topic.
    """

    sent: int | None
    kafka: int
    kafka_records: int
    documents: int
    lost_before_kafka: tuple[str, ...] = field(repr=False)
    lost_after_kafka: tuple[str, ...] = field(repr=False)
    duplicates: tuple[str, ...] = field(repr=False)
    dead_letters: int

    @property
    def lost(self) -> int:
        """Trades that someone has and no document holds."""
        return len(self.lost_before_kafka) + len(self.lost_after_kafka)


def end_offsets(bootstrap: str) -> Offsets:
    """Ask where each partition of the trades and dead-letter topics ends now."""
    consumer = _consumer(bootstrap, "cryptostream-verify")
    try:
        return {
            (topic, partition): _end(consumer, TopicPartition(topic, partition))
            for topic, partition in _partitions(consumer)
        }
    finally:
        consumer.close()


def _end(consumer: Consumer, place: TopicPartition) -> int:
    """Ask for a partition's end; a topic that was created just now has no leader for a moment."""
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    while True:
        try:
            return int(consumer.get_watermark_offsets(place, timeout=_TIMEOUT_SECONDS)[1])
        except KafkaException as error:
            if not error.args[0].retriable() or time.monotonic() > deadline:
                raise
            time.sleep(_POLL_SECONDS)


def offsets_since(bootstrap: str, time_ms: int) -> Offsets:
    """Ask for the first record of each trades partition that Kafka took at `time_ms` or later."""
    consumer = _consumer(bootstrap, "cryptostream-verify")
    try:
        asked = [
            TopicPartition(topic, partition, time_ms)
            for topic, partition in _partitions(consumer)
            if topic != DEAD_LETTERS
        ]
        found = consumer.offsets_for_times(asked, timeout=_TIMEOUT_SECONDS) if asked else []
        # A negative offset says that there is none: reading then starts at the end.
        return {
            (one.topic, one.partition): one.offset if one.offset >= 0 else _end(consumer, one)
            for one in found
        }
    finally:
        consumer.close()


def stream_lag(bootstrap: str) -> int:
    """Count the records of the trades topics that the stream has not committed yet."""
    return lag_to(bootstrap, end_offsets(bootstrap))


def lag_to(bootstrap: str, ends: Offsets) -> int:
    """Count the records of the trades topics before `ends` that the stream has not committed."""
    ends = {key: end for key, end in ends.items() if key[0] != DEAD_LETTERS}
    consumer = _consumer(bootstrap, STREAM_GROUP)
    try:
        asked = [TopicPartition(*key) for key in ends]
        committed = consumer.committed(asked, timeout=_TIMEOUT_SECONDS)
    finally:
        consumer.close()
    reached = {(item.topic, item.partition): max(0, item.offset) for item in committed}
    return sum(max(0, end - reached[key]) for key, end in ends.items())


def wait_for_drain(bootstrap: str, *, within_s: float) -> bool:
    """Wait until the stream has committed all that Kafka holds; tells whether it did in time."""
    deadline = time.monotonic() + within_s
    while stream_lag(bootstrap) > 0:
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def reconcile(
    *,
    bootstrap: str,
    elasticsearch: Elasticsearch,
    ledger: Iterable[bytes] | None,
    start_offsets: Offsets,
    exchange: str = "bybit",
    category: str = "spot",
) -> Reconciliation:
    """Compare the ledger (NDJSON lines; None without one), Kafka and Elasticsearch.

    Only Kafka records from `start_offsets` on count, so that a server of the user's own may
    hold older trades. Raises `TimeoutError` if Kafka can't be read to its end.
    """
    sent = None if ledger is None else _ledger_ids(ledger, exchange, category)
    records, in_kafka = read_trade_ids(bootstrap, start_offsets)
    expected = in_kafka | (sent or set())
    found = Counter(identity for identity in document_ids(elasticsearch) if identity in expected)
    ends = end_offsets(bootstrap)
    return Reconciliation(
        sent=None if sent is None else len(sent),
        kafka=len(in_kafka),
        kafka_records=records,
        documents=found.total(),
        lost_before_kafka=tuple(sorted((sent or set()) - in_kafka - found.keys())),
        lost_after_kafka=tuple(sorted(in_kafka - found.keys())),
        duplicates=tuple(sorted(identity for identity, count in found.items() if count > 1)),
        dead_letters=sum(
            end - start_offsets.get(key, 0) for key, end in ends.items() if key[0] == DEAD_LETTERS
        ),
    )


def read_trade_ids(bootstrap: str, start: Offsets) -> tuple[int, set[str]]:
    """Read the trades topics from `start` to their present ends; gives (records, trade ids)."""
    ends = {key: end for key, end in end_offsets(bootstrap).items() if key[0] != DEAD_LETTERS}
    todo = {key for key, end in ends.items() if end > start.get(key, 0)}
    consumer = _consumer(bootstrap, "cryptostream-verify")
    records, ids = 0, set[str]()
    deadline = time.monotonic() + _READ_DEADLINE_SECONDS
    try:
        consumer.assign([TopicPartition(*key, start.get(key, 0)) for key in sorted(todo)])
        while todo:
            if time.monotonic() > deadline:
                raise TimeoutError(f"Kafka was not read to its end; left: {sorted(todo)}")
            for message in consumer.consume(_PAGE, timeout=1.0):
                key, offset = _place(message)
                if message.error() or offset >= ends[key]:
                    continue
                records += 1
                ids.update(_identity(message.value() or b""))
                if offset + 1 >= ends[key]:
                    todo.discard(key)
    finally:
        consumer.close()
    return records, ids


def _place(message: Message) -> tuple[tuple[str, int], int]:
    return (str(message.topic()), int(message.partition() or 0)), int(message.offset() or 0)


def document_ids(client: Elasticsearch) -> Iterator[str]:
    """Give the id of every trade document, index by index, in the order of writing."""
    client.indices.refresh(index=TRADES_INDICES)
    for index in sorted(client.indices.get(index=TRADES_INDICES, features="settings")):
        after = -1
        while hits := _page(client, index, after):
            yield from (hit["_id"] for hit in hits)
            after = hits[-1]["sort"][0]


def _page(client: Elasticsearch, index: str, after: int) -> list[dict[str, Any]]:
    answer = client.search(
        index=index,
        size=_PAGE,
        source=False,
        track_total_hits=False,
        query={"range": {"_seq_no": {"gt": after}}},
        sort=[{"_seq_no": "asc"}],
    )
    hits: list[dict[str, Any]] = answer["hits"]["hits"]
    return hits


class _LedgerRow(msgspec.Struct):
    symbol: str
    trade_id: str


def _ledger_ids(lines: Iterable[bytes], exchange: str, category: str) -> set[str]:
    decoder = msgspec.json.Decoder(_LedgerRow)
    rows = (decoder.decode(line) for line in lines if line.strip())
    return {trade_id(exchange, category, row.symbol, row.trade_id) for row in rows}


def _identity(raw: bytes) -> list[str]:
    """Give the record's trade id; none for a record that is no trade (it is a dead letter)."""
    try:
        trade = decode_trade(raw)
    except ContractError:
        return []
    return [trade_id(trade.exchange, trade.category, trade.symbol, trade.trade_id)]


def _consumer(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            **kafka_options(bootstrap),
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
        }
    )


def _partitions(consumer: Consumer) -> list[tuple[str, int]]:
    topics = consumer.list_topics(timeout=_TIMEOUT_SECONDS).topics
    wanted = re.compile(f"{TRADES_PATTERN}|{re.escape(DEAD_LETTERS)}")
    return [
        (name, partition)
        for name, topic in sorted(topics.items())
        if wanted.fullmatch(name)
        for partition in sorted(topic.partitions)
    ]
