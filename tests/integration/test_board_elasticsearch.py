"""The board against a real Elasticsearch."""

from __future__ import annotations

import asyncio
import json
import uuid
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from support.documents import SyntheticMarket, candle, now_ms, trade, write
from support.eventually import eventually_async

from cryptostream.board.feed import Feed
from cryptostream.board.hub import Hub
from cryptostream.board.market import Lag
from cryptostream.board.metrics import Metrics
from cryptostream.board.model import CandleDocument, TradeDocument
from cryptostream.board.queries import CANDLE_FIELDS, TRADE_FIELDS
from cryptostream.board.search import Search, SearchError, connect
from cryptostream.board.server import Board
from cryptostream.board.viewers import Viewers
from cryptostream.contracts.indices import CANDLES_INDICES, TRADES_INDICES
from cryptostream.contracts.settings import ElasticsearchSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

WITHIN = 20


class NoLag:
    """A Kafka without lag: these tests have none."""

    def read(self) -> Lag:
        """Give none."""
        return Lag(records=0, partitions=1)


@pytest.fixture
def symbol() -> str:
    """Give a symbol that no other test has."""
    return f"T{uuid.uuid4().hex[:10].upper()}"


@pytest.fixture
async def search(elasticsearch_url: str) -> AsyncIterator[Search]:
    """Connect to Elasticsearch."""
    made = Search(connect(ElasticsearchSettings(url=elasticsearch_url)))
    yield made
    await made.close()


@asynccontextmanager
async def board(search: Search) -> AsyncIterator[tuple[Hub, TestClient[Any, Any]]]:
    """Run hub and server."""
    metrics = Metrics()
    hub = Hub(search, NoLag(), Viewers(5), metrics, 100)
    async with TestClient(TestServer(Board(hub, search, metrics).app())) as client:
        running = asyncio.create_task(hub.run())
        try:
            await eventually_async(lambda: _is(hub.market.elasticsearch.ok), within=WITHIN)
            yield hub, client
        finally:
            running.cancel()
            with suppress(asyncio.CancelledError):
                await running


async def _is(value: object) -> bool:
    return value is True


async def test_concurrent_writers_lose_and_double_nothing(
    elasticsearch_url: str, search: Search, symbol: str
) -> None:
    """2,000 trades of four writers at once, refreshed by Elasticsearch itself: each once."""
    feed = Feed(search, TRADES_INDICES, TRADE_FIELDS, TradeDocument, backfill=0)
    await feed.poll()
    began = now_ms()
    bulks = [
        [trade(symbol, number, began) for number in range(first, first + 50)]
        for first in range(0, 2_000, 50)
    ]

    async def writer(mine: list[list[dict[str, Any]]]) -> None:
        for bulk in mine:
            await asyncio.to_thread(write, elasticsearch_url, bulk, refresh=False)

    seen: list[str] = []

    async def has_all() -> bool:
        try:
            news = await feed.poll()
        except SearchError:  # the index is only just being made
            return False
        seen.extend(one.trade_id for one in news.documents if one.symbol == symbol)
        return len(set(seen)) == 2_000

    writing = asyncio.gather(*(writer(bulks[number::4]) for number in range(4)))
    await eventually_async(has_all, within=60)
    await writing
    await feed.poll()
    assert len(seen) == len(set(seen)) == 2_000


async def test_a_candle_that_is_updated_in_place_is_seen_again(
    elasticsearch_url: str, search: Search, symbol: str
) -> None:
    """Each new state of an open candle arrives; its last state is the last to arrive."""
    feed = Feed(search, CANDLES_INDICES, CANDLE_FIELDS, CandleDocument, backfill=0)
    await feed.poll()
    start = now_ms() // 60_000 * 60_000
    for close in (100.1, 100.2, 100.3):
        write(elasticsearch_url, [candle(symbol, "1m", start, close=close)])
        news = [one for one in (await feed.poll()).documents if one.symbol == symbol]
        assert [one.close for one in news] == [close]


async def test_the_api_gives_what_elasticsearch_holds(
    elasticsearch_url: str, search: Search, symbol: str
) -> None:
    """Candles oldest first within the window, trades newest first, as they were written."""
    market = SyntheticMarket({symbol: 100.0}, seed=3)
    end = now_ms()
    trades = market.trades(symbol, list(range(end - 200_000, end, 1_000)))
    write(elasticsearch_url, trades + market.candles_since(0))
    async with board(search) as (_, client):
        answer = await client.get(f"/api/candles?symbol={symbol}&interval=1s&minutes=1")
        candles = (await answer.json())["candles"]
        wanted = [one for key, one in sorted(market.candles.items()) if key[1] == "1s"][-60:]
        assert [one["time"] for one in candles] == [one["start"] // 1000 for one in wanted]
        for got, kept in zip(candles, wanted, strict=True):
            for name in ("open", "high", "low", "close", "volume", "trades"):
                assert got[name] == kept[name]
        tape = (await (await client.get(f"/api/trades?symbol={symbol}&limit=30")).json())["trades"]
        assert [one["id"] for one in tape] == [one["trade_id"] for one in trades[:-31:-1]]
        assert [one["price"] for one in tape] == [one["price"] for one in trades[:-31:-1]]


async def test_an_unknown_symbol_is_empty(search: Search, symbol: str) -> None:
    """No trades is no error: they may come."""
    async with board(search) as (_, client):
        assert (await (await client.get(f"/api/candles?symbol={symbol}")).json())["candles"] == []
        assert (await (await client.get(f"/api/trades?symbol={symbol}")).json())["trades"] == []


async def test_the_stream_pushes_trades_candles_and_pressure(
    elasticsearch_url: str, search: Search, symbol: str
) -> None:
    """A viewer gets what was written, with its pressure and the way's latency."""
    async with board(search) as (_, client):
        stream = await client.get(f"/api/stream?symbol={symbol}")
        time_ms = now_ms()
        write(
            elasticsearch_url,
            [
                trade(symbol, 1, time_ms, size=3.0),
                trade(symbol, 2, time_ms, size=1.0, side="sell"),
                candle(symbol, "1s", time_ms // 1000 * 1000, close=123.5),
            ],
        )
        trades: list[dict[str, Any]] = []
        candles: list[dict[str, Any]] = []
        while not (trades and candles):  # either may be searchable first
            tick = await _next(stream, lambda name, _: name == "tick")
            trades += tick["trades"]
            candles += tick["candles"]
        assert [one["id"] for one in trades] == ["t1", "t2"]
        assert tick["pressure"]["10"] == {"buy": 3.0, "sell": 1.0}
        assert candles[0]["close"] == 123.5
        pulse = await _next(stream, lambda name, got: name == "pulse" and bool(got["hops"]))
        assert pulse["elasticsearch"]["ok"] is True
        assert {"exchange", "ingest", "kafka", "stream", "searchable", "total"} == set(
            pulse["hops"]
        )
        stream.close()


async def _next(stream: Any, fits: Any) -> dict[str, Any]:
    """Read events until one fits."""
    async with asyncio.timeout(WITHIN):
        while True:
            lines = (await stream.content.readuntil(b"\n\n")).decode().splitlines()
            named = dict(line.split(": ", 1) for line in lines if line)
            if "data" in named:
                content: dict[str, Any] = json.loads(named["data"])
                if fits(named["event"], content):
                    return content


async def test_symbols_have_the_days_change(
    elasticsearch_url: str, search: Search, symbol: str
) -> None:
    """Last close over the first open of the day's 1-minute candles."""
    minute = now_ms() // 60_000 * 60_000
    write(
        elasticsearch_url,
        [
            candle(symbol, "1m", minute - 120_000, open=80.0),
            candle(symbol, "1m", minute, close=100.0),
        ],
    )
    async with board(search) as (hub, client):
        await hub.summarise()
        found = (await (await client.get("/api/symbols")).json())["symbols"]
        mine = next(one for one in found if one["symbol"] == symbol)
        assert mine == {
            "key": f"bybit:spot:{symbol}",
            "symbol": symbol,
            "last": 100.0,
            "change": 0.25,
            "since": minute - 120_000,
        }


class Cable:
    """A TCP way to Elasticsearch that can be cut."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.whole = True
        self._ends: set[asyncio.StreamWriter] = set()

    async def carry(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        """Carry one connection both ways."""
        if not self.whole:
            back.close()
            return
        far, out = await asyncio.open_connection("127.0.0.1", self.port)
        self._ends |= {back, out}
        with suppress(ConnectionError):
            await asyncio.gather(self._copy(near, out), self._copy(far, back))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
        writer.close()

    def cut(self) -> None:
        """Break all connections and let no new one through."""
        self.whole = False
        for end in self._ends:
            end.close()


async def test_an_outage_is_told_and_what_was_written_meanwhile_arrives(
    elasticsearch_url: str, symbol: str
) -> None:
    """While Elasticsearch is away the board says so; afterwards it has every trade once."""
    cable = Cable(int(elasticsearch_url.rsplit(":", 1)[1].strip("/")))
    server = await asyncio.start_server(cable.carry, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    search = Search(connect(ElasticsearchSettings(url=f"http://127.0.0.1:{port}")))
    async with board(search) as (hub, client):
        stream = await client.get(f"/api/stream?symbol={symbol}")
        cable.cut()
        pulse = await _next(
            stream, lambda name, got: name == "pulse" and got["elasticsearch"]["ok"] is False
        )
        assert pulse["elasticsearch"]["detail"] == "Elasticsearch can't be reached"
        assert (await client.get(f"/api/trades?symbol={symbol}")).status == 503
        write(elasticsearch_url, [trade(symbol, number, now_ms()) for number in range(30)])
        cable.whole = True
        ids: list[str] = []
        while len(ids) < 30:
            tick = await _next(stream, lambda name, got: name == "tick" and bool(got["trades"]))
            ids += [one["id"] for one in tick["trades"]]
        assert sorted(ids) == sorted(f"t{number}" for number in range(30))
        assert hub.market.elasticsearch.ok is True
        stream.close()
    await search.close()
    server.close()


async def test_a_query_that_is_refused_is_an_error_of_the_board(search: Search) -> None:
    """A bad question comes out as `SearchError`, not as an exception of the client."""
    with pytest.raises(SearchError, match="refuses the query"):
        await search.ask(TRADES_INDICES, {"query": {"no_such_query": {}}})
