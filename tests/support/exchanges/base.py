"""An exchange's public feed on one port: what all simulated ones have in common.

The simulators speak as the exchanges' public documentation says, so that a stock client runs
against them; what they sent is their ledger.
"""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections import Counter, defaultdict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from aiohttp import WSMsgType, web

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.trade import Trade

#: symbol, id, price, size, taker's side, time
Row = tuple[str, str, str, str, str, int]


@dataclass(frozen=True)
class Fill:
    """One fill; `number` is its id, dense per symbol, and `joined` the ids that it stands for."""

    symbol: str
    number: int
    price: str
    size: str
    taker: str
    time_ms: int
    joined: int = 1

    def row(self) -> Row:
        """Give what must arrive of it."""
        return (self.symbol, str(self.number), self.price, self.size, self.taker, self.time_ms)


def row_of(trade: Trade) -> Row:
    """Give what has arrived."""
    return (trade.symbol, trade.trade_id, trade.price, trade.size, trade.side, trade.trade_time)


class SimulatedExchange(ABC):
    """A server of one exchange's REST list of instruments and its trade stream.

    Attributes:
        sent: every fill that some connection was sent, in order.
        accepted: how many handshakes there were.
        topics: what each open connection is subscribed to.
        broken_rules: the exchange's limits that a client did not keep.
    """

    ws_path: ClassVar[str]

    def __init__(self, symbols: Sequence[str]) -> None:
        self.symbols = list(symbols)
        self.sent: list[Fill] = []
        self.accepted = 0
        self.topics: dict[web.WebSocketResponse, set[str]] = {}
        self.broken_rules: Counter[str] = Counter()
        self.recent: dict[str, deque[Fill]] = defaultdict(lambda: deque(maxlen=50))
        self._ids: Counter[str] = Counter(dict.fromkeys(symbols, 1_000))
        self._requests: defaultdict[web.WebSocketResponse, deque[float]] = defaultdict(deque)
        self.url = ""

    @property
    def rest_url(self) -> str:
        """The base of the REST interface."""
        return f"http://{self.url}"

    @property
    def ws_url(self) -> str:
        """The base of the stream, as the client's own URL has it."""
        return f"ws://{self.url}"

    @abstractmethod
    def routes(self) -> list[web.RouteDef]:
        """Serve the list of instruments."""

    @abstractmethod
    async def on_text(self, ws: web.WebSocketResponse, text: str) -> None:
        """Answer what a client sent."""

    @abstractmethod
    def frames(self, fills: Sequence[Fill]) -> list[str]:
        """Write the fills as the exchange does."""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_routes([*self.routes(), web.get(self.ws_path, self._handle)])
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.drop()
        await self._runner.cleanup()

    def subscribed(self, symbol: str) -> list[web.WebSocketResponse]:
        """Give the connections that a symbol's trades go to."""
        return [ws for ws, topics in self.topics.items() if symbol in topics]

    @property
    def complete(self) -> bool:
        """Whether every symbol goes to somebody."""
        return all(self.subscribed(symbol) for symbol in self.symbols)

    def match(self, symbol: str, count: int = 1, *, joined: int = 1) -> list[Fill]:
        """Let fills happen, without telling anybody yet."""
        fills = []
        for _ in range(count):
            self._ids[symbol] += joined
            number = self._ids[symbol]
            fill = Fill(
                symbol,
                number,
                f"{100 + number % 7}.{number % 100:02d}0",
                f"0.{number % 1000:03d}1",
                "buy" if number % 3 else "sell",
                time.time_ns() // 1_000_000,
                joined,
            )
            self.recent[symbol].append(fill)
            fills.append(fill)
        return fills

    async def trade(self, symbol: str, count: int = 1, *, joined: int = 1) -> None:
        """Let fills happen and push them to whoever is subscribed."""
        await self.push(self.match(symbol, count, joined=joined))

    async def push(self, fills: Sequence[Fill]) -> None:
        """Send fills to the connections that are subscribed to the first one's symbol."""
        for ws in self.subscribed(fills[0].symbol):
            await self.tell(ws, fills)

    async def tell(self, ws: web.WebSocketResponse, fills: Sequence[Fill]) -> None:
        """Send fills to one connection and note them in the ledger."""
        for frame in self.frames(fills):
            await ws.send_str(frame)
        self.sent += fills

    async def shout(self, text: str) -> None:
        """Send any text to every connection."""
        for ws in list(self.topics):
            await ws.send_str(text)

    async def drop(self) -> None:
        """Cut every connection without a word."""
        for ws in list(self.topics):
            transport = ws._req.transport if ws._req else None
            self.topics.pop(ws, None)
            if transport is not None:
                transport.abort()

    def count_request(self, ws: web.WebSocketResponse, per_second: int) -> None:
        """Note a client that sends more than it may."""
        sent = self._requests[ws]
        now = asyncio.get_running_loop().time()
        sent.append(now)
        while now - sent[0] > 1.0:
            sent.popleft()
        if len(sent) > per_second:
            self.broken_rules["requests"] += 1

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        ws = web.WebSocketResponse()
        await ws.prepare(request)
        self.accepted += 1
        self.topics[ws] = set()
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT:
                    await self.on_text(ws, message.data)
        finally:
            self.topics.pop(ws, None)
            self._requests.pop(ws, None)
        return ws


def reply(body: dict[str, Any]) -> web.Response:
    """Answer a REST request."""
    return web.Response(text=json.dumps(body), content_type="application/json")
