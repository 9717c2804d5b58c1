"""Read trades and gaps from Elasticsearch: a point in time, page after page. I/O.

A point in time that has expired is opened anew and reading goes on after the last trade: stored
trades never change, so nothing is missed or seen twice.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from elasticsearch import Elasticsearch, NotFoundError

from cryptostream.contracts.indices import PREFIX, TRADES_INDICES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptostream.contracts.settings import ElasticsearchSettings

GAPS_INDICES: Final = f"{PREFIX}-gaps-*"
PAGE: Final = 5_000
KEEP_ALIVE: Final = "5m"
REQUEST_SECONDS: Final = 60
RETRIES: Final = 5
#: A range with more holes is none to learn from.
MAX_GAPS: Final = 10_000
MAX_SYMBOLS: Final = 5_000
_BUSY: Final = (429, 502, 503, 504)
_FIELDS: Final = (
    "symbol", "trade_id", "price", "size", "side", "trade_time", "seq",
    "features", "features_hash", "warm",
)  # fmt: skip
#: By symbol and time; the id makes the order whole.
BY_SYMBOL: Final = ("symbol", "trade_time", "seq", "trade_id")
#: The order in which the stream took them: `stream_time` is the micro-batch's, and inside one it
#: goes by time and sequence.
AS_STREAMED: Final = ("stream_time", "trade_time", "seq", "kafka_time", "trade_id")
#: Where nothing proves that every trade came.
_OPEN_STATES: Final = ("open", "partly_repaired")


@dataclass(frozen=True, slots=True)
class Query:
    """Which trades: of one market, within [from_ms, to_ms), of some symbols or (empty) all."""

    exchange: str
    category: str
    from_ms: int
    to_ms: int
    symbols: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """Give the query as plain JSON values."""
        return {**asdict(self), "symbols": list(self.symbols)}

    def filters(self) -> list[dict[str, Any]]:
        """Give what trades and gaps of the market have in common."""
        of: list[dict[str, Any]] = [
            {"term": {"exchange": self.exchange}},
            {"term": {"category": self.category}},
        ]
        return [*of, {"terms": {"symbol": list(self.symbols)}}] if self.symbols else of


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """Make a client that waits out a busy or restarting node."""
    return Elasticsearch(
        **settings.client_options(),
        request_timeout=REQUEST_SECONDS,
        max_retries=RETRIES,
        retry_on_timeout=True,
        retry_on_status=_BUSY,
    )


class Trades:
    """The trades of a query, block trades left out; raises what the client raises."""

    def __init__(
        self,
        client: Elasticsearch,
        query: Query,
        *,
        order: tuple[str, ...] = BY_SYMBOL,
        page: int = PAGE,
    ) -> None:
        self._client = client
        self._sort = [{name: "asc"} for name in order]
        self._page_size = page
        time = {"range": {"trade_time": {"gte": query.from_ms, "lt": query.to_ms}}}
        self._query = {
            "bool": {
                "filter": [*query.filters(), time],
                "must_not": [{"term": {"block_trade": True}}],
            }
        }

    def count(self) -> int:
        """Give the number of trades."""
        return int(
            self._client.count(index=TRADES_INDICES, query=self._query, allow_no_indices=True)[
                "count"
            ]
        )

    def pages(self, after: list[Any] | None = None) -> Iterator[tuple[list[Any], list[Any]]]:
        """Give (documents, place of the last one) page by page, after the given place."""
        pit = self._open()
        try:
            while True:
                try:
                    answer = self._page(pit, after)
                except NotFoundError:
                    pit = self._open()
                    answer = self._page(pit, after)
                pit = answer["pit_id"]
                hits = answer["hits"]["hits"]
                if not hits:
                    return
                after = hits[-1]["sort"]
                yield [hit["_source"] for hit in hits], after
        finally:
            self._close(pit)

    def _open(self) -> str:
        return str(
            self._client.open_point_in_time(index=TRADES_INDICES, keep_alive=KEEP_ALIVE)["id"]
        )

    def _close(self, pit: str) -> None:
        # One that has expired needs no closing.
        self._client.options(ignore_status=404).close_point_in_time(id=pit)

    def _page(self, pit: str, after: list[Any] | None) -> Any:
        return self._client.search(
            pit={"id": pit, "keep_alive": KEEP_ALIVE},
            query=self._query,
            sort=self._sort,
            size=self._page_size,
            search_after=after,
            track_total_hits=False,
            source_includes=list(_FIELDS),
        )


def symbols(client: Elasticsearch, query: Query) -> tuple[str, ...]:
    """Give the symbols that were traded within the query, by name."""
    time = {"range": {"trade_time": {"gte": query.from_ms, "lt": query.to_ms}}}
    answer = client.search(
        index=TRADES_INDICES,
        query={"bool": {"filter": [*query.filters(), time]}},
        size=0,
        aggs={"symbols": {"terms": {"field": "symbol", "size": MAX_SYMBOLS}}},
    )
    found = answer.body.get("aggregations", {"symbols": {"buckets": []}})["symbols"]["buckets"]
    return tuple(sorted(str(one["key"]) for one in found))


def holes(client: Elasticsearch, query: Query) -> list[tuple[str, int, int]]:
    """Give (symbol, from, to) of every stretch that nothing proves complete, by symbol and time."""
    within = [
        {"range": {"from_time": {"lt": query.to_ms}}},
        {"range": {"to_time": {"gte": query.from_ms}}},
        {"terms": {"state": list(_OPEN_STATES)}},
    ]
    answer = client.search(
        index=GAPS_INDICES,
        query={"bool": {"filter": [*query.filters(), *within]}},
        size=MAX_GAPS,
        source_includes=["symbol", "from_time", "repaired_from"],
        allow_no_indices=True,
    )
    found = [hit["_source"] for hit in answer["hits"]["hits"]]
    return sorted((one["symbol"], one["from_time"], one["repaired_from"]) for one in found)
