"""What the trades query has settled last, for those who measure it from other threads. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptostream.contracts.indices import index_name
from cryptostream.contracts.topics import trades_topic

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptostream.stream.records import Record

Partition = tuple[str, int]


class Document(NamedTuple):
    """A trade's document that Elasticsearch has acknowledged; times are epoch milliseconds."""

    index_name: str
    identity: str
    exchange_time: int
    settled_time: int


class Settled:
    """The newest Kafka time of each partition, and one document of the last batch.

    One thread notes, others read: every attribute is replaced whole.
    """

    def __init__(self) -> None:
        self.newest: Mapping[Partition, int] = {}
        self.document: Document | None = None

    def note(self, records: Sequence[Record], settled_time: int) -> None:
        """Take note of a batch whose trades are settled."""
        if not records:
            return
        newest = dict(self.newest)
        for record in records:
            partition = trades_topic(record.trade.exchange), record.partition
            if record.kafka_time > newest.get(partition, 0):
                newest[partition] = record.kafka_time
        self.newest = newest
        last = records[-1].trade
        name = index_name("trades", last.trade_time)
        self.document = Document(name, records[-1].identity, last.exchange_time, settled_time)


def behind(
    ends: Mapping[Partition, int],
    highs: Mapping[Partition, int],
    newest: Mapping[Partition, int],
    now_ms: int,
) -> tuple[int, float]:
    """Give the lag of the worst partition: in records, and in seconds.

    Args:
        ends: the offset up to which each partition is settled.
        highs: the offset of the next record that will be written to each.
        newest: the Kafka time of the newest settled record, epoch milliseconds.
        now_ms: the wall clock.

    A partition that has nothing more to read is not behind, however old its last record is. One
    of which nothing was settled since the start counts in records alone.
    """
    records, seconds = 0, 0.0
    for partition, high in highs.items():
        waiting = high - ends.get(partition, high)
        if waiting > 0:
            records = max(records, waiting)
            seconds = max(seconds, (now_ms - newest.get(partition, now_ms)) / 1000.0)
    return records, seconds
