"""Filling in: rows of a dump that nobody stored go into Kafka as trades.

Such a trade says `origin: dump`. Its id is `dump-<time>-<number>`, where `number` counts the rows
of that millisecond in the file, so the same row has the same document for ever. The exchange's own
id isn't in the dump: if it comes later by another way, the trade is there twice, and the next
reconciliation tells it as extra.
"""

from __future__ import annotations

import time
from decimal import Decimal
from typing import TYPE_CHECKING, Final, cast

from confluent_kafka import KafkaError, Message, Producer

from cryptostream.audit.errors import UnreachableError
from cryptostream.audit.join import filled_id
from cryptostream.contracts.settings import kafka_options
from cryptostream.contracts.topics import trades_topic
from cryptostream.contracts.trade import Side, Trade, encode_trade

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cryptostream.audit.model import Row

FLUSH_SECONDS: Final = 60.0
#: Who produced it, in the place of an ingest shard.
SHARD: Final = "audit"


def trade_of(row: Row, exchange: str, category: str, symbol: str, now_ms: int) -> Trade:
    """Make the trade of a row; the dump knows no push time and no sequence."""
    key = row.key
    return Trade(
        exchange=exchange,
        category=category,
        symbol=symbol,
        trade_id=filled_id(row),
        price=plain(key.price),
        size=plain(key.size),
        side=cast("Side", key.side),
        trade_time=key.time,
        exchange_time=key.time,
        ingest_time=now_ms,
        seq=0,
        block_trade=False,
        rpi=row.rpi,
        origin="dump",
        shard=SHARD,
    )


def plain(number: float) -> str:
    """Write a number without an exponent: the shortest decimal that reads as this double."""
    return f"{Decimal(repr(number)):f}"


class Filler:
    """Produces trades; `send` returns when Kafka has acknowledged all of them."""

    def __init__(self, bootstrap_servers: str, exchange: str) -> None:
        self._topic = trades_topic(exchange)
        self._failed = 0
        self._producer = Producer(
            {
                **kafka_options(bootstrap_servers),
                "enable.idempotence": True,
                "compression.type": "lz4",
                "message.timeout.ms": int(FLUSH_SECONDS * 1000),
                # As ingest does it, so that a symbol keeps its partition.
                "partitioner": "murmur2_random",
            }
        )

    def send(self, trades: Iterable[Trade]) -> int:
        """Produce the trades and give their number; raises `UnreachableError` if some failed."""
        count = self._failed = 0
        for trade in trades:
            self._offer(trade)
            count += 1
        left = self._producer.flush(FLUSH_SECONDS)
        if left or self._failed:
            raise UnreachableError(
                f"Kafka did not take {max(left, self._failed)} of {count} trades for {self._topic}:"
                " check KAFKA_BOOTSTRAP_SERVERS and that the topic exists; a further run is safe"
            )
        return count

    def _offer(self, trade: Trade) -> None:
        deadline = time.monotonic() + FLUSH_SECONDS
        while True:
            try:
                self._producer.produce(
                    self._topic, encode_trade(trade), trade.symbol, on_delivery=self._delivered
                )
            except BufferError:
                if time.monotonic() > deadline:
                    raise UnreachableError("Kafka takes no trades; a further run is safe") from None
                self._producer.poll(0.1)
            else:
                self._producer.poll(0)
                return

    def _delivered(self, error: KafkaError | None, _message: Message | None) -> None:
        self._failed += error is not None
