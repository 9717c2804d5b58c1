"""Trades settled in Spark's executors: each task predicts, renders and writes a share of a batch.

The engine stays on the driver, since it takes trades in order. The driver sends shares out as
MessagePack, one row a task, and takes an answer for each back, so only the answer of the attempt
that Spark took counts. An attempt that died, or one that Spark ran twice, has written the same
ids: its documents are found there already.

A sink that is away is an answer too, not a failed task: Spark would try it four times over, and
each try waits as long as the bulk writer does.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
import pyarrow as pa

from cryptostream.stream.bulk import BulkWriter, SinkUnavailableError, connect
from cryptostream.stream.collector import no_collections
from cryptostream.stream.engine import Features
from cryptostream.stream.predictor import Predictor
from cryptostream.stream.records import Record
from cryptostream.stream.settle import Settler, Settling, Trades, Written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyspark.sql import SparkSession

    from cryptostream.contracts.settings import ElasticsearchSettings
    from cryptostream.stream.documents import Action

    Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

#: A Python task costs 25 to 35 ms before it does anything; so many trades cost about as much.
MIN_SHARE: Final = 500
#: Bounds a task's memory, and is the most that one bulk request takes.
MAX_SHARE: Final = 5_000


class Servers(NamedTuple):
    """Where executors find what they need; travels with each task, the password included."""

    elasticsearch: ElasticsearchSettings
    predictor_url: str
    predictor_timeout_seconds: float


class Share(msgspec.Struct, array_like=True):
    """Trades of one task; fields as in `settle.Trades`."""

    records: list[Record]
    features: list[Features]
    stream_time: int


class Answer(msgspec.Struct, array_like=True):
    """What became of a share; without `written` the sink was away, and `failure` says how."""

    p_up: list[float | None] = []
    written: Written | None = None
    failure: str = ""


_ENCODE: Final = msgspec.msgpack.Encoder().encode
_SHARE: Final = msgspec.msgpack.Decoder(Share).decode
_ANSWER: Final = msgspec.msgpack.Decoder(Answer).decode


class InExecutors:
    """Everything of a trade but what needs the ones before it, in Spark's tasks."""

    def __init__(self, spark: SparkSession, servers: Servers, driver: Settler) -> None:
        self._spark = spark
        self._task = settling(servers)
        self._driver = driver

    def begin(self, parts: Iterable[Trades]) -> Settling:
        """Have the trades settled; raises `SinkUnavailableError`."""
        trades = joined(parts)
        shares = cut(trades, tasks=self._spark.sparkContext.defaultParallelism)
        answers = [_ANSWER(body) for body in self._run(list(map(_ENCODE, shares)))]
        for answer in answers:
            if answer.written is None:
                raise SinkUnavailableError(answer.failure)
        return _Answered(self._driver, trades.stream_time, answers)

    def _run(self, shares: list[bytes]) -> list[bytes]:
        """Run a task for each share; the answers stand in the shares' order."""
        if not shares:
            return []
        # Each record batch becomes a partition.
        parts = [pa.record_batch([pa.array([one], pa.binary())], ["share"]) for one in shares]
        rows = self._spark.createDataFrame(pa.Table.from_batches(parts))
        answers: list[bytes] = rows.mapInArrow(self._task, "answer binary").toArrow()[0].to_pylist()
        return answers


class _Answered:
    def __init__(self, driver: Settler, stream_time: int, answers: Sequence[Answer]) -> None:
        self._driver, self._stream_time = driver, stream_time
        self._written = [one.written for one in answers if one.written is not None]
        self.p_up: Sequence[float | None] = list(chain.from_iterable(one.p_up for one in answers))

    def finish(self, others: Sequence[Action]) -> list[Written]:
        return [*self._written, self._driver.write(Trades((), (), self._stream_time), (), others)]


def joined(parts: Iterable[Trades]) -> Trades:
    """Put a batch together again: how it is cut depends on how many trades there are in all."""
    records: list[Record] = []
    features: list[Features] = []
    stream_time = 0
    for part in parts:
        records += part.records
        features += part.features
        stream_time = part.stream_time
    return Trades(records, features, stream_time)


def cut(trades: Trades, *, tasks: int) -> list[Share]:
    """Cut a batch into shares, as many as there are tasks at a time where sizes allow that."""
    count = len(trades.records)
    size = min(MAX_SHARE, max(MIN_SHARE, -(-count // max(1, tasks))))
    return [
        Share(
            list(trades.records[start : start + size]),
            list(trades.features[start : start + size]),
            trades.stream_time,
        )
        for start in range(0, count, size)
    ]


def settling(servers: Servers) -> Task:
    """Make the task that settles the shares that it is given; a row of `Answer` for each."""

    def settle(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        # Spark pickles this function whole, and what it calls of a module by name.
        for batch in batches:
            answers = _settle_shares(servers, batch[0].to_pylist())
            yield pa.record_batch([pa.array(answers, pa.binary())], ["answer"])

    return settle


def _settle_shares(servers: Servers, shares: Sequence[bytes]) -> list[bytes]:
    settler = _settler(servers)
    with no_collections():
        return [_ENCODE(settle_share(settler, _SHARE(one))) for one in shares]


def settle_share(settler: Settler, share: Share) -> Answer:
    """Settle one share."""
    predictions = settler.predict(share.features)
    trades = Trades(share.records, share.features, share.stream_time)
    try:
        written = settler.write(trades, predictions)
    except SinkUnavailableError as error:
        return Answer(failure=str(error))
    return Answer([one.p_up for one in predictions], written)


@lru_cache(maxsize=1)
def _settler(servers: Servers) -> Settler:
    """Keep the connections: Spark uses its Python workers for one task after the other."""
    return Settler(
        writer=BulkWriter(connect(servers.elasticsearch)),
        predictor=Predictor(
            servers.predictor_url, timeout_seconds=servers.predictor_timeout_seconds
        ),
    )
