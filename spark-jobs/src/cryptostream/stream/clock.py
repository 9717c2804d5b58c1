"""Event time of one exchange and category. Pure.

The watermark says up to when nothing more is waited for: the newest trade time, less an allowed
lateness. While the stream catches up, one partition of the topic may be read ahead of another; so
it is the partition that is furthest behind whose newest trade counts. A partition that brought
nothing for `IDLE_MS` of Kafka's time, measured at the others, is not waited for.
"""

from __future__ import annotations

from typing import Final

import msgspec

IDLE_MS: Final = 5_000
#: A trade that claims to be so much younger than its own record in Kafka has a wrong clock; it
#: must not make every other trade late.
MAX_AHEAD_MS: Final = 10_000


class Newest(msgspec.Struct, array_like=True):
    """The newest trade and Kafka time of a partition, and its oldest trade time; epoch ms."""

    trade_time: int
    kafka_time: int
    oldest: int


class Clock(msgspec.Struct):
    """Newest times by partition, and what follows from them.

    Attributes:
        watermark: candles that end here or earlier are final; never goes back.
        newest: the newest trade time of all.
        complete_from: candles that begin earlier may lack trades: the stream lost its memory of
            them. 0 if it knows them all.
    """

    partitions: dict[int, Newest] = {}
    watermark: int = 0
    newest: int = 0
    complete_from: int = 0

    def see(self, partition: int, oldest: int, newest: int, kafka_time: int) -> None:
        """Take note of trades of a partition: their oldest and newest trade time."""
        newest = min(newest, kafka_time + MAX_AHEAD_MS)
        found = self.partitions.get(partition)
        if found is None:
            self.partitions[partition] = Newest(newest, kafka_time, oldest)
            return
        found.trade_time = max(found.trade_time, newest)
        found.kafka_time = max(found.kafka_time, kafka_time)
        found.oldest = min(found.oldest, oldest)

    def begin_late(self) -> None:
        """Say that the trades before those seen so far are lost to memory."""
        self.complete_from = max(one.oldest for one in self.partitions.values())

    def advance(self, lateness_ms: int) -> int:
        """Move the watermark as far as what was seen allows, and give it."""
        if not self.partitions:
            return self.watermark
        latest = max(one.kafka_time for one in self.partitions.values())
        waited = [
            one.trade_time for one in self.partitions.values() if one.kafka_time >= latest - IDLE_MS
        ]
        self.newest = max(self.newest, *waited)
        self.watermark = max(self.watermark, min(waited) - lateness_ms)
        return self.watermark
