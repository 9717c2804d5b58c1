"""Trades out of Elasticsearch: one point in time, read in slices side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
from elasticsearch import Elasticsearch, NotFoundError

from cryptostream.contracts.indices import TRADES_INDICES
from cryptostream.stream.history.request import HistoryError
from cryptostream.stream.history.rows import ARROW_SCHEMA, SPARK_SCHEMA

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from cryptostream.stream.history.request import Request

KEEP_ALIVE: Final = "5m"
TIMEOUT_SECONDS: Final = 60.0
#: The most that Elasticsearch gives in one answer by default.
_PAGE: Final = 10_000
_SIGN: Final = {"buy": 1, "sell": -1}
#: Read from columns: the stored source would bring each trade's features along.
_FIELDS: Final = ("exchange", "category", "symbol", "trade_time", "seq", "trade_id", "price",
                  "size", "side")  # fmt: skip


def open_point_in_time(client: Elasticsearch) -> str:
    """Freeze what is there now; raises `HistoryError` if there are no trades at all."""
    try:
        answer = client.open_point_in_time(index=TRADES_INDICES, keep_alive=KEEP_ALIVE)
    except NotFoundError:
        raise HistoryError(
            f"Elasticsearch has no index {TRADES_INDICES}; start the pipeline first"
        ) from None
    return str(answer["id"])


def read_elasticsearch(
    spark: SparkSession, options: dict[str, Any], request: Request, *, pit: str, tasks: int
) -> DataFrame:
    """Give the range's trades, columns as in `rows`; `options` are a client's."""
    wanted = _query(request)
    page_of = _pages(options, wanted, pit, tasks)
    numbers = spark.range(0, tasks, 1, tasks)
    return numbers.mapInArrow(page_of, SPARK_SCHEMA)


def _query(request: Request) -> dict[str, Any]:
    times = {"gte": request.read_from_ms, "lt": request.to_ms, "format": "epoch_millis"}
    filters: list[dict[str, Any]] = [{"range": {"trade_time": times}}]
    if request.symbols:
        symbols = sorted({*request.symbols, request.reference})
        filters.append({"terms": {"symbol": symbols}})
    return {"bool": {"filter": filters}}


def _pages(
    options: dict[str, Any], query: dict[str, Any], pit: str, slices: int
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Make the task that reads the slices whose numbers it is given."""

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        with Elasticsearch(**options, request_timeout=TIMEOUT_SECONDS) as client:
            for batch in batches:
                for number in batch.column(0).to_pylist():
                    part = {"slice": {"id": number, "max": slices}} if slices > 1 else {}
                    yield from _slice(client, {"query": query, **part}, pit)

    return read


def _slice(client: Elasticsearch, asked: dict[str, Any], pit: str) -> Iterator[pa.RecordBatch]:
    """Page through one slice in the order in which it is stored, the cheapest one there is."""
    after: list[Any] | None = None
    while True:
        answer = client.search(
            **asked,
            size=_PAGE,
            source=False,
            docvalue_fields=[
                {"field": name, **({"format": "epoch_millis"} if name == "trade_time" else {})}
                for name in _FIELDS
            ],
            pit={"id": pit, "keep_alive": KEEP_ALIVE},
            sort=["_shard_doc"],
            search_after=after,
            track_total_hits=False,
            allow_partial_search_results=False,
        )
        hits = answer["hits"]["hits"]
        if not hits:
            return
        pit, after = answer["pit_id"], hits[-1]["sort"]
        rows = [_row(hit["fields"]) for hit in hits]
        yield pa.RecordBatch.from_pylist(rows, schema=ARROW_SCHEMA)


def _row(fields: dict[str, list[Any]]) -> dict[str, Any]:
    row = {name: fields[name][0] for name in _FIELDS}
    row["trade_time"], row["side"] = int(row["trade_time"]), _SIGN[row["side"]]
    # Documents know no place in Kafka; equal times keep the order of `seq` and id.
    return {**row, "partition": 0, "offset": 0}
