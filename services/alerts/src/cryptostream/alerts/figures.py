"""What the commands ask of Elasticsearch: the pipeline's state, prices, movers."""

from __future__ import annotations

from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import msgspec

from cryptostream.alerts.errors import SearchError
from cryptostream.contracts.indices import CANDLES_INDICES, PREFIX, TRADES_INDICES

if TYPE_CHECKING:
    from cryptostream.alerts.search import Search

TRADES: Final = 200
MOVERS: Final = 10
MAX_CANDLES: Final = 5_000
_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS
Document = TypeVar("Document")


class Prediction(msgspec.Struct, frozen=True):
    """What the model said of a trade."""

    p_up: float | None = None
    model: str = ""
    no_edge: bool = False


class Trade(msgspec.Struct, frozen=True):
    """A trade's document, as far as it is shown."""

    price: float
    side: str
    trade_time: int
    stream_time: int = 0
    prediction: Prediction = Prediction()


class Candle(msgspec.Struct, frozen=True):
    """A candle's document, as far as it is shown."""

    symbol: str
    start: int
    open: float
    close: float


class Pipeline(NamedTuple):
    """How it is; `delay_ms` is p50 and p95 from the exchange's time to the stream's."""

    age_seconds: float | None
    delay_ms: tuple[float, float] | None
    gaps: dict[str, int]
    model: str
    no_edge: bool


class Quote(NamedTuple):
    """A symbol's last trade."""

    price: float
    side: str
    time_ms: int
    p_up: float | None
    model: str
    no_edge: bool


class Mover(NamedTuple):
    """A symbol's change within an hour, as a share."""

    symbol: str
    price: float
    change: float


class Figures:
    """Asks; raises `SearchError`."""

    def __init__(self, search: Search) -> None:
        self._search = search

    async def pipeline(self, now_ms: int) -> Pipeline:
        """Look at the newest trades and the gaps of a day."""
        trades = await self._newest(TRADES, [])
        gaps = await self._gaps(now_ms)
        if not trades:
            return Pipeline(None, None, gaps, "", no_edge=False)
        delays = [float(one.stream_time - one.trade_time) for one in trades if one.stream_time]
        said = next((one.prediction for one in trades if one.prediction.model), Prediction())
        age = max(0.0, (now_ms - trades[0].trade_time) / 1000)
        return Pipeline(age, _p50_p95(delays), gaps, said.model, said.no_edge)

    async def quote(self, symbol: str) -> Quote | None:
        """Give a symbol's last trade."""
        trades = await self._newest(1, [{"term": {"symbol": symbol}}])
        if not trades:
            return None
        one, said = trades[0], trades[0].prediction
        return Quote(one.price, one.side, one.trade_time, said.p_up, said.model, said.no_edge)

    async def movers(self, now_ms: int) -> list[Mover]:
        """Give the symbols that moved most within the hour, by candles of a quarter."""
        body = {
            "size": MAX_CANDLES,
            "query": {
                "bool": {
                    "filter": [
                        {"term": {"interval": "15m"}},
                        {"range": {"start": {"gt": now_ms - _HOUR_MS, "lte": now_ms}}},
                    ]
                }
            },
            "sort": [{"start": "asc"}],
            "_source": ["symbol", "start", "open", "close"],
        }
        return movers_of(_documents(await self._search.ask(CANDLES_INDICES, body), Candle))

    async def _newest(self, count: int, filters: list[dict[str, Any]]) -> list[Trade]:
        body = {
            "size": count,
            "query": {"bool": {"filter": filters}},
            "sort": [{"trade_time": "desc"}],
            "_source": ["price", "side", "trade_time", "stream_time", "prediction"],
            "track_total_hits": False,
        }
        return _documents(await self._search.ask(TRADES_INDICES, body), Trade)

    async def _gaps(self, now_ms: int) -> dict[str, int]:
        body = {
            "size": 0,
            "query": {"range": {"to_time": {"gte": now_ms - _DAY_MS}}},
            "aggs": {"states": {"terms": {"field": "state", "size": 10}}},
        }
        answer = await self._search.ask(f"{PREFIX}-gaps-*", body)
        buckets = answer.get("aggregations", {}).get("states", {}).get("buckets", [])
        return {str(one["key"]): int(one["doc_count"]) for one in buckets}


def movers_of(candles: list[Candle]) -> list[Mover]:
    """Compare each symbol's first open with its last close; the candles are in order of time."""
    opened: dict[str, float] = {}
    closed: dict[str, float] = {}
    for one in candles:
        opened.setdefault(one.symbol, one.open)
        closed[one.symbol] = one.close
    found = [
        Mover(symbol, closed[symbol], closed[symbol] / first - 1)
        for symbol, first in opened.items()
        if first > 0
    ]
    return sorted(found, key=lambda one: -abs(one.change))[:MOVERS]


def _p50_p95(values: list[float]) -> tuple[float, float] | None:
    if len(values) < 2:  # noqa: PLR2004 (quantiles need two)
        return None
    cuts = quantiles(values, n=20, method="inclusive")
    return cuts[9], cuts[18]


def _documents(answer: dict[str, Any], kind: type[Document]) -> list[Document]:
    try:
        return msgspec.convert([hit["_source"] for hit in answer["hits"]["hits"]], list[kind])  # type: ignore[valid-type]
    except (KeyError, TypeError, ValueError) as error:
        raise SearchError("Elasticsearch answers something else than was asked") from error
