"""The views' API beside the live page: overview, correlations, alerts, pipeline, model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cryptostream.board import matrix, memory, params, parse, queries, reliability, view_queries
from cryptostream.board.answers import as_json
from cryptostream.board.hub import Hub, now_ms
from cryptostream.board.instruments import Instrument, read_key
from cryptostream.board.model import AlertDocument
from cryptostream.board.shared import Shared
from cryptostream.contracts.indices import CANDLES_INDICES, PREFIX, TRADES_INDICES

if TYPE_CHECKING:
    from aiohttp import web

    from cryptostream.board.queries import Body
    from cryptostream.board.search import Search

#: How old an answer may be that several viewers share.
SLOW_SECONDS: Final = 10.0
QUICK_SECONDS: Final = 2.0
WINDOWS: Final = ("5m", "1h", "24h")
SEVERITIES: Final = ("info", "warning", "critical")
DAY_MS: Final = queries.DAY_MS


def indices(kind: str) -> str:
    """Name the indices of a kind."""
    return f"{PREFIX}-{kind}-*"


def sources(answer: dict[str, Any]) -> list[dict[str, Any]]:
    """Give the documents of an answer as they are."""
    return [hit["_source"] for hit in parse.hits_of(answer)]


def counts(answer: dict[str, Any], name: str) -> dict[str, int]:
    """Give how many documents each term of an aggregation has."""
    buckets = answer.get("aggregations", {}).get(name, {}).get("buckets", [])
    return {one["key"]: one["doc_count"] for one in buckets}


def _said(fields: dict[str, list[Any]]) -> reliability.Said:
    """Read the columns of a hit of `view_queries.reliability_body`."""
    p_up = fields.get("prediction.p_up", [None])[0]
    at, price, side = (fields[name][0] for name in ("trade_time", "price", "side"))
    return reliability.Said(int(at), price, side, p_up)


class Views:
    """The handlers; what many ask at once is asked of Elasticsearch once."""

    def __init__(self, hub: Hub, search: Search, memory_url: str = "") -> None:
        self._memory_url = memory_url
        self._hub = hub
        self._search = search
        self._shared = Shared()

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/api/overview", self.overview)
        router.add_get("/api/matrix", self.matrix)
        router.add_get("/api/alerts", self.alerts)
        router.add_get("/api/pipeline", self.pipeline)
        router.add_get("/api/model", self.model)
        router.add_get("/api/reliability", self.reliability)

    async def overview(self, request: web.Request) -> web.Response:
        """Every instrument's return and turnover over `window`, busiest first."""
        window = params.read_choice(request.query, "window", WINDOWS) or "1h"
        rows = await self._shared.get(
            ("overview", window), SLOW_SECONDS, lambda: self._overview(window)
        )
        return as_json({"window": window, "rows": rows})

    async def _overview(self, window: str) -> list[dict[str, Any]]:
        at = indices("rolling")
        newest = sources(await self._search.ask(at, view_queries.rolling_newest_body(window)))
        if not newest:
            return []
        answer = await self._search.ask(at, view_queries.rolling_body(window, newest[0]["time"]))
        buckets = answer.get("aggregations", {}).get("instruments", {}).get("buckets", [])
        rows = [one for bucket in buckets for one in sources(bucket["newest"])]
        for row in rows:
            row["key"] = Instrument(row["exchange"], row["category"], row["symbol"]).key
        return sorted(rows, key=lambda row: (-(row.get("turnover") or 0.0), row["key"]))

    async def matrix(self, _request: web.Request) -> web.Response:
        """The correlations of the busiest instruments over the last hour's minutes."""
        return as_json(await self._shared.get("matrix", SLOW_SECONDS, self._matrix))

    async def _matrix(self) -> dict[str, Any]:
        newest = parse.newest(await self._search.ask(CANDLES_INDICES, queries.newest_body()))
        rows = await self._shared.get(
            ("overview", "1h"), SLOW_SECONDS, lambda: self._overview("1h")
        )
        busiest = [row["key"] for row in rows[: view_queries.MATRIX_SIZE]]
        if newest is None or not busiest:
            return {"keys": [], "values": [], "minutes": view_queries.MATRIX_MINUTES}
        body = view_queries.closes_body([read_key(key) for key in busiest], newest)
        closes: dict[str, matrix.Closes] = {key: {} for key in busiest}
        for one in sources(await self._search.ask(CANDLES_INDICES, body)):
            key = Instrument(one["exchange"], one["category"], one["symbol"]).key
            closes[key][one["start"]] = one["close"]
        values = matrix.matrix(list(closes.values()))
        return {"keys": busiest, "values": values, "minutes": view_queries.MATRIX_MINUTES}

    async def alerts(self, request: web.Request) -> web.Response:
        """The newest alerts; `symbol`, `rule` and `severity` narrow them, `until` goes back."""
        query = request.query
        filters: list[Body] = []
        if query.get("symbol"):
            filters += read_key(self._hub.market.resolve(params.read_symbol(query))).filters()
        if query.get("rule"):
            filters.append({"term": {"rule": query["rule"][:64]}})
        severity = params.read_choice(query, "severity", SEVERITIES)
        if severity:
            filters.append({"term": {"severity": severity}})
        until, limit = params.read_time(query, "until"), params.read_limit(query)
        body = view_queries.alerts_body(limit, filters, until)
        found = await self._shared.get(
            ("alerts", str(body)), QUICK_SECONDS, lambda: self._search.ask(indices("alerts"), body)
        )
        return as_json({"alerts": parse.documents(found, AlertDocument)})

    async def pipeline(self, _request: web.Request) -> web.Response:
        """The last day's gaps and dead letters, counted, and the newest of each; memory, bytes."""
        return as_json(await self._shared.get("pipeline", QUICK_SECONDS, self._pipeline))

    async def _pipeline(self) -> dict[str, Any]:
        since = now_ms() - DAY_MS
        gaps = await self._search.ask(indices("gaps"), view_queries.gaps_body(since))
        body = view_queries.dead_letters_body(since)
        dead = await self._search.ask(indices("dead-letters"), body)
        return {
            "gaps": {
                "states": counts(gaps, "state"),
                "causes": counts(gaps, "cause"),
                "newest": sources(gaps),
            },
            "dead_letters": {
                "total": dead["hits"].get("total", {}).get("value", 0),
                "components": counts(dead, "component"),
                "reasons": counts(dead, "reason"),
                "newest": sources(dead),
            },
            "memory": await memory.read(self._memory_url),
        }

    async def model(self, _request: web.Request) -> web.Response:
        """The newest scores beside their baselines, and what happened to models."""
        return as_json(await self._shared.get("model", SLOW_SECONDS, self._model))

    async def _model(self) -> dict[str, Any]:
        scores = sources(await self._search.ask(indices("scores"), view_queries.scores_body()))
        events = sources(await self._search.ask(indices("models"), view_queries.models_body()))
        return {"scores": scores, "events": events}

    async def reliability(self, request: web.Request) -> web.Response:
        """What the model said of an instrument's newest orders, against what came."""
        key = self._hub.market.resolve(params.read_symbol(request.query))
        found = await self._shared.get(
            ("reliability", key), SLOW_SECONDS, lambda: self._reliability(key)
        )
        return as_json(found)

    async def _reliability(self, key: str) -> dict[str, Any]:
        body = view_queries.reliability_body(read_key(key))
        found = parse.hits_of(await self._search.ask(TRADES_INDICES, body))
        said = [_said(hit["fields"]) for hit in reversed(found)]
        scored = list(reliability.outcomes(said))
        bins = [one._asdict() for one in reliability.bins(scored)]
        seconds = reliability.HORIZON_MS // 1000
        return {"key": key, "horizon": seconds, "answered": len(scored), "bins": bins}
