"""Candles out of Elasticsearch, as they are drawn."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

import msgspec

from cryptostream.alerts.errors import SearchError
from cryptostream.alerts.model import Bar, Event
from cryptostream.alerts.picture import MAX_BARS, Heading, draw
from cryptostream.contracts.indices import CANDLES_INDICES
from cryptostream.contracts.messages import INTERVAL_MS, Interval

if TYPE_CHECKING:
    from cryptostream.alerts.search import Search

FIELDS: Final = ("start", "open", "high", "low", "close", "volume")
#: Shown after the event, so that one sees what came of it.
AFTER_BARS: Final = 10
#: Pictures that are kept for the next chat, some 15 kB each.
MAX_DRAWN: Final = 32


class Row(msgspec.Struct, frozen=True):
    """A candle's document, as far as it is drawn."""

    start: int
    open: float
    high: float
    low: float
    close: float
    volume: float


class Candles:
    """Reads and draws candles; raises `SearchError`."""

    def __init__(self, search: Search) -> None:
        self._search = search
        #: A picture takes 15 MB while it is drawn: one at a time.
        self._pen = asyncio.Lock()
        self._drawn: OrderedDict[str, bytes] = OrderedDict()

    async def read(
        self,
        symbol: str,
        interval: Interval,
        *,
        end_ms: int,
        exchange: str = "",
        category: str = "",
    ) -> list[Bar]:
        """Give the last candles that start up to `end_ms`, oldest first."""
        terms = {"symbol": symbol, "interval": interval, "exchange": exchange, "category": category}
        span = {"gte": end_ms - 2 * MAX_BARS * INTERVAL_MS[interval], "lte": end_ms}
        filters = [
            *({"term": {name: value}} for name, value in terms.items() if value),
            {"range": {"start": span}},
        ]
        body = {
            "size": MAX_BARS,
            "query": {"bool": {"filter": filters}},
            "sort": [{"start": "desc"}],
            "_source": list(FIELDS),
            "track_total_hits": False,
        }
        answer = await self._search.ask(CANDLES_INDICES, body)
        try:
            rows = msgspec.convert([hit["_source"] for hit in answer["hits"]["hits"]], list[Row])
        except (KeyError, TypeError, ValueError) as error:
            raise SearchError("Elasticsearch answers no candles") from error
        return [Bar(*(getattr(row, name) for name in FIELDS)) for row in reversed(rows)]

    async def picture(self, event: Event) -> bytes | None:
        """Draw what surrounds an event by the minute, once for all chats; None without candles."""
        if event.event_id in self._drawn:
            return self._drawn[event.event_id]
        bars = await self.read(
            event.symbol,
            "1m",
            end_ms=event.time + AFTER_BARS * INTERVAL_MS["1m"],
            exchange=event.exchange,
            category=event.category,
        )
        if not bars:
            return None
        title = f"{event.symbol}  {event.rule.replace('_', ' ')}"[:60]
        picture = await self.draw(bars, Heading(title, "1m candles, UTC", event.time))
        self._drawn[event.event_id] = picture
        if len(self._drawn) > MAX_DRAWN:
            self._drawn.popitem(last=False)
        return picture

    async def draw(self, bars: list[Bar], heading: Heading) -> bytes:
        """Draw in a thread: it takes a quarter of a second of CPU."""
        async with self._pen:
            return await asyncio.to_thread(draw, bars, heading)
