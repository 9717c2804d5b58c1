"""The API of past ranges: candles, statistics and predictions, and their export as a file."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from cryptostream.board import params, parse, past_queries, tables
from cryptostream.board.answers import as_error, as_json
from cryptostream.board.instruments import Instrument, read_key
from cryptostream.board.model import SECONDS, CandleDocument, candle_row
from cryptostream.board.search import SearchError
from cryptostream.board.views import counts, sources
from cryptostream.contracts.indices import CANDLES_INDICES, TRADES_INDICES

if TYPE_CHECKING:
    from cryptostream.board.hub import Hub
    from cryptostream.board.queries import Body
    from cryptostream.board.search import Search

log = logging.getLogger(__name__)

MAX_EXPORT_ROWS: Final = 1_000_000
#: Exports read much; more at once would take Elasticsearch from those who watch.
MAX_EXPORTS: Final = 2
WRITE_TIMEOUT_SECONDS: Final = 30.0
INDICES: Final = {"candles": CANDLES_INDICES, "trades": TRADES_INDICES}


class Past:
    """The handlers."""

    def __init__(self, hub: Hub, search: Search) -> None:
        self._hub = hub
        self._search = search
        self._exports = 0

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add the routes."""
        router.add_get("/api/history", self.history)
        router.add_get("/api/export", self.export)

    async def history(self, request: web.Request) -> web.Response:
        """Candles of `symbol` and `interval` in [`from`, `to`), their statistics, predictions."""
        instrument = self._instrument(request)
        interval = params.read_interval(request.query)
        begin, end = params.read_range(request.query)
        if end - begin > params.MAX_CANDLES * SECONDS[interval] * 1000:
            raise params.BadParameterError(
                "interval",
                f"has more than {params.MAX_CANDLES} candles in the range; take a longer",
            )
        filters = past_queries.candle_filters(instrument, interval, begin, end)
        body = past_queries.candles_body(filters, params.MAX_CANDLES)
        found = await self._search.ask(CANDLES_INDICES, body)
        kept = params.read_filter(request.query)
        trades = past_queries.trade_filters(instrument, begin, end, kept)
        said = await self._search.ask(TRADES_INDICES, past_queries.predictions_body(trades))
        rows = [candle_row(one) for one in parse.documents(found, CandleDocument)]
        return as_json(
            {
                "key": instrument.key,
                "candles": rows,
                "statistics": statistics(found),
                "predictions": predictions(said),
            }
        )

    def _instrument(self, request: web.Request) -> Instrument:
        return read_key(self._hub.market.resolve(params.read_symbol(request.query)))

    async def export(self, request: web.Request) -> web.StreamResponse:
        """Stream the range's `kind` (candles or trades) as a file of `format` (csv, parquet)."""
        kind = params.read_choice(request.query, "kind", INDICES) or "candles"
        form = params.read_choice(request.query, "format", tables.FORMATS) or "csv"
        instrument, filters = self._instrument(request), self._filters(request, kind)
        if self._exports >= MAX_EXPORTS:
            return as_error(503, "too_many_exports", "Others are exporting; try again in a moment")
        self._exports += 1
        try:
            counted = await self._search.ask(INDICES[kind], past_queries.count_body(filters))
            rows = counted["hits"].get("total", {}).get("value", 0)
            if rows > MAX_EXPORT_ROWS:
                raise params.BadParameterError(
                    "to", f"the range has {rows:,} rows; at most {MAX_EXPORT_ROWS:,} are exported"
                )
            begin, _ = params.read_range(request.query)
            name = f"{instrument.exchange}-{instrument.symbol}-{kind}-{begin}.{form}"
            return await self._send(request, kind, filters, form, name)
        finally:
            self._exports -= 1

    def _filters(self, request: web.Request, kind: str) -> list[Body]:
        instrument, (begin, end) = self._instrument(request), params.read_range(request.query)
        if kind == "candles":
            interval = params.read_interval(request.query)
            return past_queries.candle_filters(instrument, interval, begin, end)
        kept = params.read_filter(request.query)
        return past_queries.trade_filters(instrument, begin, end, kept)

    async def _send(
        self, request: web.Request, kind: str, filters: list[Body], form: str, name: str
    ) -> web.StreamResponse:
        table = tables.FORMATS[form](past_queries.COLUMNS[kind])
        answer = await self._page(kind, filters, None)
        response = web.StreamResponse(
            headers={
                "Content-Type": table.media_type,
                "Content-Disposition": f'attachment; filename="{name}"',
                "Cache-Control": "no-store",
            }
        )
        await response.prepare(request)
        try:
            while hits := parse.hits_of(answer):
                part = await asyncio.to_thread(table.page, sources(answer))
                await asyncio.wait_for(response.write(part), WRITE_TIMEOUT_SECONDS)
                if len(hits) < past_queries.EXPORT_PAGE:
                    break
                answer = await self._page(kind, filters, hits[-1]["sort"])
        except SearchError as error:
            # The head is sent: only a torn connection tells the browser that the file is not whole.
            log.warning("export_torn", extra={"fields": {"detail": str(error)}})
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write(table.end())
        return response

    async def _page(self, kind: str, filters: list[Body], after: list[Any] | None) -> Any:
        return await self._search.ask(INDICES[kind], past_queries.page_body(kind, filters, after))


def statistics(answer: dict[str, Any]) -> dict[str, Any] | None:
    """Read the range's statistics from the answer to `past_queries.candles_body`."""
    found = answer.get("aggregations")
    if not found or not parse.hits_of(answer):
        return None
    plain = ("volume", "turnover", "trades", "buy_volume", "sell_volume", "high", "low")
    values = {name: found[name]["value"] for name in plain}
    opened, closed = sources(found["first"])[0]["open"], sources(found["last"])[0]["close"]
    return values | {
        "candles": answer["hits"]["total"]["value"],
        "open": opened,
        "close": closed,
        "change": closed / opened - 1.0 if opened else None,
        "vwap": values["turnover"] / values["volume"] if values["volume"] else None,
    }


def predictions(answer: dict[str, Any]) -> dict[str, Any]:
    """Read what the model said from the answer to `past_queries.predictions_body`."""
    found = answer.get("aggregations", {})
    return {
        "trades": answer["hits"].get("total", {}).get("value", 0),
        "scored": found.get("scored", {}).get("doc_count", 0),
        "mean_p_up": found.get("mean", {}).get("value"),
        "directions": counts(answer, "directions"),
        "models": counts(answer, "models"),
        "reasons": counts(answer, "reasons"),
        "no_edge": found.get("no_edge", {}).get("doc_count", 0),
    }
