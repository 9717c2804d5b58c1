"""The trades of a micro-batch as bytes, and back. Pure.

By columns, because that is quick to write and small: about 60 bytes a trade. Kept of a trade is
what the engine looks at; its times at the exchange and at ingest are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.indices import trade_id
from cryptostream.contracts.trade import Trade
from cryptostream.stream.records import Record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptostream.stream.candlesticks import Instrument


class Batch(msgspec.Struct, array_like=True):
    """The fresh trades of a batch, a column each, in order.

    Attributes:
        time: Kafka's time of the batch, epoch milliseconds.
        instruments: exchange, category and symbol, with how many trades of it follow.
        p_up: the prediction of each trade, if it has one.
    """

    time: int
    instruments: list[tuple[tuple[str, str, str], int]]
    ids: list[str]
    prices: list[str]
    sizes: list[str]
    bought: list[bool]
    times: list[int]
    seqs: list[int]
    blocks: list[bool]
    kafka_times: list[int]
    partitions: list[int]
    offsets: list[int]
    p_up: list[float | None]

    def identities(self) -> list[str]:
        """Give the document id of each trade."""
        return [trade_id(*key, one) for key, one in zip(self._keys(), self.ids, strict=True)]

    def records(self) -> list[Record]:
        """Give the trades back; their times at the exchange and at ingest are the match time."""
        return [
            _record(key, row)
            for key, row in zip(self._keys(), zip(*self._columns(), strict=True), strict=True)
        ]

    def _keys(self) -> Iterator[Instrument]:
        for key, count in self.instruments:
            for _ in range(count):
                yield key

    def _columns(self) -> tuple[Sequence[Any], ...]:
        return (
            self.ids, self.prices, self.sizes, self.bought, self.times, self.seqs, self.blocks,
            self.kafka_times, self.partitions, self.offsets,
        )  # fmt: skip


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(Batch)


def write_batch(records: Sequence[Record], p_up: Sequence[float | None], time_ms: int) -> bytes:
    """Render trades in the order of `Record.order`, with their predictions."""
    trades = [one.trade for one in records]
    counts: dict[Instrument, int] = {}
    for trade in trades:
        key = (trade.exchange, trade.category, trade.symbol)
        counts[key] = counts.get(key, 0) + 1
    batch = Batch(
        time_ms,
        list(counts.items()),
        [one.trade_id for one in trades],
        [one.price for one in trades],
        [one.size for one in trades],
        [one.side == "buy" for one in trades],
        [one.trade_time for one in trades],
        [one.seq for one in trades],
        [one.block_trade for one in trades],
        [one.kafka_time for one in records],
        [one.partition for one in records],
        [one.offset for one in records],
        list(p_up),
    )
    return _ENCODER.encode(batch)


def read_batch(raw: bytes) -> Batch:
    """Read a batch; raises `ContractError` and nothing else."""
    try:
        return _DECODER.decode(raw)
    except (ValueError, RecursionError) as error:
        raise ContractError("bad_log", str(error)[:200]) from error


def _record(key: Instrument, row: tuple[Any, ...]) -> Record:
    identity, price, size, bought, time, seq, block, kafka_time, partition, offset = row
    exchange, category, symbol = key
    trade = Trade(
        exchange=exchange,
        category=category,
        symbol=symbol,
        trade_id=identity,
        price=price,
        size=size,
        side="buy" if bought else "sell",
        trade_time=time,
        exchange_time=time,
        ingest_time=time,
        seq=seq,
        block_trade=block,
        rpi=False,
        origin="replay",
        shard="",
    )
    document = trade_id(exchange, category, symbol, trade.trade_id)
    return Record(
        document, trade, float(trade.price), float(trade.size), kafka_time, partition, offset
    )
