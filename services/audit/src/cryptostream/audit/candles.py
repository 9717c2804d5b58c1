"""Our side of the truth meter in Elasticsearch: candles in, one document per group out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from elasticsearch import Elasticsearch

from cryptostream.audit.compare import Result, Tally, Verdict
from cryptostream.audit.errors import UnreachableError
from cryptostream.audit.model import Bar
from cryptostream.contracts.indices import CANDLES_INDICES, PREFIX, index_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cryptostream.contracts.settings import ElasticsearchSettings

TEMPLATE: Final = f"{PREFIX}-truth"
REQUEST_SECONDS: Final = 10.0
#: More are refused by Elasticsearch's `max_result_window`.
MAX_CANDLES: Final = 10_000
#: A document names at most so many symbols that are off, the worst ones.
MAX_WORST: Final = 20
_HOUR_MS: Final = 3_600_000
_FIELDS: Final = ("open", "high", "low", "close", "volume", "turnover")


def connect(settings: ElasticsearchSettings) -> Elasticsearch:
    """Build a client; connects on first use."""
    return Elasticsearch(
        **settings.client_options(), request_timeout=REQUEST_SECONDS, max_retries=0
    )


class Candles:
    """The candles of one exchange and category; raises what the client raises."""

    def __init__(self, client: Elasticsearch, exchange: str, category: str) -> None:
        self._client = client
        self._exchange = exchange
        self._category = category

    def require_template(self) -> None:
        """Raise `UnreachableError` while a document would make an index with guessed types."""
        if not self._client.indices.exists_index_template(name=TEMPLATE):
            raise UnreachableError(
                f"no index template {TEMPLATE}; run `python -m cryptostream.cli.setup templates`"
            )

    def busiest(self, now_ms: int, count: int) -> list[str]:
        """Give the symbols with the most trades of the last hour, busiest first."""
        by_symbol = {
            "terms": {"field": "symbol", "size": count, "order": {"trades": "desc"}},
            "aggs": {"trades": {"sum": {"field": "trades"}}},
        }
        query = self._minutes(now_ms - _HOUR_MS, now_ms)
        answer = self._search(query=query, size=0, aggs={"symbols": by_symbol})
        buckets = answer.get("aggregations", {}).get("symbols", {}).get("buckets", [])
        return [str(bucket["key"]) for bucket in buckets]

    def read(
        self, symbols: Sequence[str], first_ms: int, end_ms: int
    ) -> dict[tuple[str, int], Bar]:
        """Give the minutes of the symbols that begin in [first_ms, end_ms)."""
        query = self._minutes(first_ms, end_ms, {"terms": {"symbol": list(symbols)}})
        answer = self._search(query=query, size=MAX_CANDLES, source=["symbol", "start", *_FIELDS])
        documents = [hit["_source"] for hit in answer["hits"]["hits"]]
        return {
            (one["symbol"], one["start"]): Bar(*(float(one[name]) for name in _FIELDS))
            for one in documents
        }

    def write(self, start_ms: int, group: str, tally: Tally, measured_ms: int) -> None:
        """Write what a group of symbols gave for one minute; a repetition overwrites itself."""
        identity = f"{self._exchange}:{self._category}:{start_ms}:{group}:{measured_ms}"
        document = truth_document(start_ms, group, tally, measured_ms) | {
            "exchange": self._exchange,
            "category": self._category,
        }
        index = index_name("truth", start_ms)
        self._client.index(index=index, id=identity, document=document)

    def _search(self, **body: Any) -> Any:
        return self._client.search(index=CANDLES_INDICES, ignore_unavailable=True, **body).body

    def _minutes(self, first_ms: int, end_ms: int, *more: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "bool": {
                "filter": [
                    {"term": {"exchange": self._exchange}},
                    {"term": {"category": self._category}},
                    {"term": {"interval": "1m"}},
                    {"range": {"start": {"gte": first_ms, "lt": end_ms}}},
                    *more,
                ]
            }
        }


def truth_document(start_ms: int, group: str, tally: Tally, measured_ms: int) -> dict[str, Any]:
    """Render a tally; `share` is left out where no symbol traded."""
    worst = sorted(tally.worst.items(), key=lambda one: -one[1].divergence)[:MAX_WORST]
    document: dict[str, Any] = {
        "start": start_ms,
        "group": group,
        "measured": measured_ms,
        **{str(result): tally.results[result] for result in Result},
        "worst": [_worst(symbol, verdict) for symbol, verdict in worst],
        "v": 1,
    }
    return document if tally.share is None else document | {"share": tally.share}


def _worst(symbol: str, verdict: Verdict) -> dict[str, Any]:
    return {
        "symbol": symbol,
        "result": str(verdict.result),
        "field": verdict.field,
        "divergence": verdict.divergence,
    }
