"""What the scoreboard reads from Elasticsearch and writes to it. I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from elasticsearch import ApiError, TransportError

from cryptostream.contracts.features import FEATURE_COUNT, FEATURES_HASH
from cryptostream.contracts.indices import PREFIX, TRADES_INDICES, index_name
from cryptostream.models.errors import ScoreboardError
from cryptostream.models.scoreboard_rows import Trades, joined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from elasticsearch import Elasticsearch

    from cryptostream.contracts.mappings import Kind

PAGE: Final = 10_000
#: In one read; beyond it a scoreboard would take more than its share of memory.
MAX_TRADES: Final = 500_000
_FIELDS: Final = (
    "symbol", "trade_time", "price", "side", "prediction.p_up", "prediction.model",
)  # fmt: skip
_SORT: Final = ("trade_time", "symbol", "seq", "trade_id")
_DRIFT_INDICES: Final = f"{PREFIX}-drift-*"


class Stored:
    """Reads stored trades and writes scores; each method raises `ScoreboardError`."""

    def __init__(self, client: Elasticsearch, exchange: str, category: str) -> None:
        self._client = client
        self._market = [{"term": {"exchange": exchange}}, {"term": {"category": category}}]

    def trades(self, from_ms: int, to_ms: int) -> Trades:
        """Read the trades of [from_ms, to_ms), block trades left out, ordered by time.

        Only columns are read, not the documents: a vector is ten times what is needed here.
        """
        pages: list[Trades] = []
        after: list[Any] | None = None
        while True:
            answer = self._search(
                index=TRADES_INDICES,
                query=self._query(from_ms, to_ms),
                sort=[{name: "asc"} for name in _SORT],
                size=PAGE,
                source=False,
                docvalue_fields=list(_FIELDS),
                track_total_hits=False,
                **({"search_after": after} if after else {}),
            )
            page = answer["hits"]["hits"]
            # As columns at once: the answers' own objects take twenty times the room.
            pages.append(_columns([hit["fields"] for hit in page]))
            if len(page) < PAGE:
                return joined(pages)
            if sum(map(len, pages)) >= MAX_TRADES:
                raise ScoreboardError(f"more than {MAX_TRADES} trades in one read; read more often")
            after = page[-1]["sort"]

    def vectors(self, from_ms: int, to_ms: int, count: int) -> np.ndarray[Any, Any]:
        """Give a random sample of the warm vectors stored for [from_ms, to_ms)."""
        query = self._query(from_ms, to_ms)
        query["bool"]["filter"] += [
            {"term": {"warm": True}},
            {"term": {"features_hash": FEATURES_HASH}},
        ]
        score = {"query": query, "random_score": {"seed": from_ms, "field": "_seq_no"}}
        answer = self._search(
            index=TRADES_INDICES,
            query={"function_score": score},
            size=count,
            source_includes=["features"],
        )
        rows = [hit["_source"]["features"] for hit in answer["hits"]["hits"]]
        return np.array(rows, dtype=np.float32).reshape(-1, FEATURE_COUNT)

    def past_psi(self, count: int) -> dict[str, list[float]]:
        """Give each feature's earlier values of the index, oldest first."""
        answer = self._search(
            index=_DRIFT_INDICES,
            query={"term": {"detector": "psi"}},
            sort=[{"time": "desc"}],
            size=min(count, PAGE),
            source_includes=["feature", "value"],
        )
        found: dict[str, list[float]] = {}
        for hit in reversed(answer["hits"]["hits"]):
            found.setdefault(hit["_source"]["feature"], []).append(hit["_source"]["value"])
        return found

    def write(self, kind: Kind, documents: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Write documents by their ids, over what stands there."""
        write(self._client, kind, documents)

    def _query(self, from_ms: int, to_ms: int) -> dict[str, Any]:
        time = {"range": {"trade_time": {"gte": from_ms, "lt": to_ms}}}
        return {
            "bool": {
                "filter": [*self._market, time],
                "must_not": [{"term": {"block_trade": True}}],
            }
        }

    def _search(self, **request: Any) -> Any:
        try:
            return self._client.search(**request, allow_no_indices=True, ignore_unavailable=True)
        except (ApiError, TransportError) as error:
            raise ScoreboardError(f"Elasticsearch gave no answer: {error}") from error


def write(
    client: Elasticsearch, kind: Kind, documents: Iterable[tuple[str, dict[str, Any]]]
) -> None:
    """Write documents (id, document) over what stands there; raises `ScoreboardError`."""
    operations: list[dict[str, Any]] = []
    for identity, document in documents:
        target = {"_index": index_name(kind, document["time"]), "_id": identity}
        operations += [{"index": target}, document]
    if not operations:
        return
    try:
        answer = client.bulk(operations=operations, filter_path="errors,items.*.error")
    except (ApiError, TransportError) as error:
        raise ScoreboardError(f"Elasticsearch took no {kind}: {error}") from error
    if answer["errors"]:
        raise ScoreboardError(f"Elasticsearch refused {kind}: {str(answer['items'][:1])[:300]}")


def _columns(hits: list[dict[str, list[Any]]]) -> Trades:
    def column(name: str, missing: Any) -> list[Any]:
        return [hit.get(name, (missing,))[0] for hit in hits]

    return Trades(
        symbol=np.array(column("symbol", ""), dtype=np.str_),
        time_ms=np.array(column("trade_time", 0), dtype=np.int64),
        price=np.array(column("price", float("nan")), dtype=np.float64),
        side=np.where(np.array(column("side", ""), dtype=np.str_) == "buy", 1, -1),
        p_up=np.array(column("prediction.p_up", float("nan")), dtype=np.float64),
        model=np.array(column("prediction.model", ""), dtype=np.str_),
    )
