"""Our side of the reconciliation: the trades of one symbol and day in Elasticsearch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptostream.audit.model import Key, Stored
from cryptostream.contracts.indices import index_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from elasticsearch import Elasticsearch

PAGE: Final = 5_000
MAX_SYMBOLS: Final = 5_000
KEEP_ALIVE: Final = "2m"
_DOC_VALUES: Final[tuple[dict[str, str], ...]] = (
    {"field": "trade_time", "format": "epoch_millis"},
    {"field": "price"},
    {"field": "size"},
    {"field": "side"},
    {"field": "trade_id"},
)


class Trades:
    """The trades of one exchange, category and day; raises what the client raises."""

    def __init__(self, client: Elasticsearch, exchange: str, category: str, day_ms: int) -> None:
        self._client = client
        self._of = [{"term": {"exchange": exchange}}, {"term": {"category": category}}]
        self._index = index_name("trades", day_ms)

    def exist(self) -> bool:
        """Tell whether there is an index of the day."""
        return bool(self._client.indices.exists(index=self._index))

    def symbols(self) -> list[str]:
        """Give the symbols of the day, sorted."""
        if not self.exist():
            return []
        answer = self._client.search(
            index=self._index,
            query={"bool": {"filter": self._of}},
            size=0,
            aggs={"symbols": {"terms": {"field": "symbol", "size": MAX_SYMBOLS}}},
        )
        return sorted(str(one["key"]) for one in answer["aggregations"]["symbols"]["buckets"])

    def of(self, symbol: str) -> Iterator[Stored]:
        """Give the trades of a symbol page by page, as they were when the first was asked for."""
        if not self.exist():
            return
        pit = self._client.open_point_in_time(index=self._index, keep_alive=KEEP_ALIVE)["id"]
        try:
            after: list[Any] | None = None
            while hits := self._page(pit, symbol, after):
                yield from (_stored(hit["fields"]) for hit in hits)
                after = hits[-1]["sort"]
        finally:
            self._client.close_point_in_time(id=pit)

    def _page(self, pit: str, symbol: str, after: list[Any] | None) -> list[dict[str, Any]]:
        answer = self._client.search(
            pit={"id": pit, "keep_alive": KEEP_ALIVE},
            query={"bool": {"filter": [*self._of, {"term": {"symbol": symbol}}]}},
            sort=[{"_shard_doc": "asc"}],
            size=PAGE,
            search_after=after,
            track_total_hits=False,
            source=False,
            docvalue_fields=_DOC_VALUES,
        )
        return list(answer["hits"]["hits"])


def _stored(fields: dict[str, list[Any]]) -> Stored:
    time, price, size = (fields[name][0] for name in ("trade_time", "price", "size"))
    key = Key(int(time), float(price), float(size), str(fields["side"][0]))
    return Stored(key, str(fields["trade_id"][0]))
