"""What runs inside Spark's tasks: sorted trades in, documents into Elasticsearch, counts out."""

from __future__ import annotations

from itertools import groupby, islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from elasticsearch import Elasticsearch

from cryptostream.stream.bulk import BulkWriter
from cryptostream.stream.history.replay import Row, history_action, replay, tape_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from cryptostream.stream.history.replay import Market, Tape
    from cryptostream.stream.history.request import Request

    Task = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]

#: Documents held at a time; they are a few hundred bytes each.
CHUNK: Final = 2_000
TIMEOUT_SECONDS: Final = 60.0
RESULT: Final = "documents long, refused long, reason string"
TAPE: Final = "exchange string, category string, time long, price double"


def rows_of(batches: Iterator[pa.RecordBatch]) -> Iterator[Row]:
    """Give the rows of batches whose columns are those of `Row`."""
    for batch in batches:
        columns = (batch.column(number).to_pylist() for number in range(batch.num_columns))
        yield from map(Row._make, zip(*columns, strict=True))


def make_tapes(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Be the task that makes the reference's tape of each market; columns `TAPE`."""
    for market, rows in groupby(rows_of(batches), key=itemgetter(0, 1)):
        tape = tape_of(rows)
        while part := list(islice(tape, CHUNK)):
            times, prices = zip(*part, strict=True)
            exchange, category = ([name] * len(part) for name in market)
            yield pa.RecordBatch.from_arrays(
                [pa.array(column) for column in (exchange, category, times, prices)],
                names=["exchange", "category", "time", "price"],
            )


def writing(
    request: Request, options: Mapping[str, Any], *, since_ms: int, tapes: Mapping[Market, Tape]
) -> Task:
    """Make the task that computes some symbols' history and writes it; columns `RESULT`."""

    def write(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        documents = replay(rows_of(batches), request, since_ms=since_ms, tapes=tapes)
        with Elasticsearch(**options, request_timeout=TIMEOUT_SECONDS) as client:
            writer = BulkWriter(client)
            while chunk := list(islice(documents, CHUNK)):
                outcome = writer.write([history_action(document) for document in chunk])
                reason = outcome.refused[0].reason if outcome.refused else ""
                yield pa.RecordBatch.from_arrays(
                    [pa.array([outcome.written]), pa.array([len(outcome.refused)]),
                     pa.array([reason])],
                    names=["documents", "refused", "reason"],
                )  # fmt: skip

    return write
