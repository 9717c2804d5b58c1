"""The simulated exchange over real sockets: acks, refusals, pings, trades and their ledger."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support.eventually import eventually, eventually_async
from support.simulator import RunningSimulator, running_simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

SYMBOLS = ["BTCUSDT", "ETHUSDT", "SOLUSDT"]
TOPICS = [f"publicTrade.{symbol}" for symbol in SYMBOLS]


@pytest.fixture
def simulator(tmp_path: Any) -> Iterator[RunningSimulator]:
    """Serve three symbols and about 500 trades a second."""
    with running_simulator(
        tmp_path, symbols=",".join(SYMBOLS), rate=500, send_buffer_bytes=65536
    ) as running:
        yield running


@pytest.fixture
async def client(
    simulator: RunningSimulator,
) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect a raw client."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(simulator.websocket, max_msg_size=0) as connection,
    ):
        yield connection


async def answer_to(
    client: aiohttp.ClientWebSocketResponse, request: Any, trades: list[Any] | None = None
) -> dict[str, Any]:
    """Send a request; give its answer, and collect the trades that come before it."""
    if isinstance(request, bytes):
        await client.send_bytes(request)
    else:
        await client.send_str(request if isinstance(request, str) else json.dumps(request))
    while True:
        message = await asyncio.wait_for(client.receive_json(), 10)
        if "success" in message:
            return dict(message)
        if trades is not None:
            trades.extend(message["data"])


async def read_trades(client: aiohttp.ClientWebSocketResponse, count: int) -> list[Any]:
    """Read until so many trades have come."""
    trades: list[Any] = []
    while len(trades) < count:
        trades += (await asyncio.wait_for(client.receive_json(), 20))["data"]
    return trades


def as_ledger(trade: dict[str, Any]) -> tuple[Any, ...]:
    """Give a WebSocket trade's fields in the ledger's terms."""
    return (trade["s"], trade["i"], trade["p"], trade["v"], trade["S"].lower(), trade["T"])


async def test_every_sent_trade_arrives_once_and_is_in_the_ledger(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """What a client received from subscribe to pause is the ledger, trade for trade."""
    ack = await answer_to(client, {"op": "subscribe", "req_id": "1", "args": TOPICS})
    assert (ack["success"], ack["ret_msg"], ack["req_id"]) == (True, "subscribe", "1")
    trades = await read_trades(client, 1000)
    paused = await asyncio.to_thread(simulator.post, "/simulator/pause")
    await answer_to(client, {"op": "ping"}, trades)
    ledger = [tuple(row.values()) for row in await asyncio.to_thread(simulator.ledger)]
    assert Counter(map(as_ledger, trades)) == Counter(ledger)
    assert len(set(ledger)) == len(ledger) == paused["sent"]
    status = simulator.status()
    assert (status["sent"], status["unique"], status["subscribers"]) == (len(trades),) * 2 + (1,)
    assert status["symbols"] == dict(Counter(row[0] for row in ledger))


async def test_a_pause_stops_the_tape_and_a_resume_goes_on(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """While paused nothing is made; after resuming trades come again, with present times."""
    await answer_to(client, {"op": "subscribe", "args": TOPICS})
    await asyncio.to_thread(simulator.post, "/simulator/pause")
    before = simulator.status()["made"]
    await answer_to(client, {"op": "ping"})
    assert simulator.status()["made"] == before
    now = int(simulator.get("/v5/market/time")["time"])
    await asyncio.to_thread(simulator.post, "/simulator/resume")
    trades = await read_trades(client, 10)
    assert min(trade["T"] for trade in trades) >= now


async def test_refusals_leave_the_connection_in_use(
    client: aiohttp.ClientWebSocketResponse,
) -> None:
    """After every kind of bad request the same connection can still subscribe."""
    for request, reason in (
        ({"op": "subscribe", "args": ["publicTrade.X"] * 11}, "args size >10"),
        ({"op": "subscribe", "args": ["publicTrade.X"]}, "Invalid symbol :[publicTrade.X]"),
        ("{", "Failed to decode incoming data:"),
        (b"\xff", "Failed to decode incoming data:"),
    ):
        refusal = await answer_to(client, request)
        assert refusal["success"] is False
        assert refusal["ret_msg"].startswith(reason)
    assert (await answer_to(client, {"op": "subscribe", "args": TOPICS}))["success"]
    again = await answer_to(client, {"op": "subscribe", "args": TOPICS[:1]})
    assert again["ret_msg"] == f"error:already subscribed,topic:{TOPICS[0]}"


async def test_both_kinds_of_ping_are_answered(client: aiohttp.ClientWebSocketResponse) -> None:
    """A JSON ping gets a JSON pong, a WebSocket ping a WebSocket pong."""
    pong = await answer_to(client, {"op": "ping", "req_id": 5})
    assert (pong["ret_msg"], pong["req_id"]) == ("pong", "5")
    client._autoping = False
    await client.ping(b"are you there")
    message = await asyncio.wait_for(client.receive(), 10)
    assert (message.type, message.data) == (aiohttp.WSMsgType.PONG, b"are you there")


async def test_unsubscribing_ends_the_topic_and_only_it(
    client: aiohttp.ClientWebSocketResponse,
) -> None:
    """After the ack no trade of the topic comes, while the others go on."""
    await answer_to(client, {"op": "subscribe", "args": TOPICS})
    ack = await answer_to(client, {"op": "unsubscribe", "args": TOPICS[:1]})
    assert ack["ret_msg"] == "unsubscribe"
    await answer_to(client, {"op": "ping"})
    trades = await read_trades(client, 200)
    assert {trade["s"] for trade in trades} == {"ETHUSDT", "SOLUSDT"}


async def test_a_too_long_request_ends_the_connection(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """A request beyond the bound is refused with close code 1009; the server lives on."""
    await client.send_str("x" * 100_000)
    message = await asyncio.wait_for(client.receive(), 10)
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1009)
    assert simulator.get("/healthz")


async def test_a_slow_reader_is_disconnected_and_the_others_are_not(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """Who stops reading is cut off at its bound and counted; a reader beside it loses nothing."""
    await answer_to(client, {"op": "subscribe", "args": TOPICS})
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", simulator.port))
        raw.sendall(
            b"GET /v5/public/spot HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        request = json.dumps({"op": "subscribe", "args": TOPICS}).encode()
        assert len(request) < 126
        raw.sendall(bytes((0x81, 0x80 | len(request), 0, 0, 0, 0)) + request)
        trades: list[Any] = []

        async def cut_off() -> bool:
            junk = b"x" * 60_000
            await asyncio.to_thread(simulator.post, f"/simulator/inject?topic={TOPICS[0]}", junk)
            while "data" in (message := await read_any(client)):
                trades.extend(message["data"])
            return bool(simulator.status()["slow_readers"])

        await eventually_async(cut_off, within=30, poll=0)
    assert simulator.status()["connections"] == 1
    assert (await answer_to(client, {"op": "ping"}))["success"]


async def read_any(client: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    """Read one message; one that is no JSON gives an empty object."""
    message = await asyncio.wait_for(client.receive_str(), 10)
    return dict(json.loads(message)) if message.startswith("{") else {}


async def test_injected_bytes_reach_the_subscribers_as_they_are(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """A malformed frame can be pushed on purpose, to the subscribers of one topic."""
    path = f"/simulator/inject?topic={TOPICS[0]}"
    assert simulator.post(path, b"{broken") == {"injected": False}
    await answer_to(client, {"op": "subscribe", "args": TOPICS[:1]})
    assert simulator.post(path, b"{broken") == {"injected": True}
    while not (text := await asyncio.wait_for(client.receive_str(), 10)).startswith("{broken"):
        assert json.loads(text)["data"]
    assert text == "{broken"


async def test_rest_agrees_with_the_stream(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """Recent trades are the newest of the ledger; klines sum up to all that was made."""
    await answer_to(client, {"op": "subscribe", "args": TOPICS})
    await read_trades(client, 500)
    simulator.post("/simulator/pause")
    path = "/v5/market/recent-trade?category=spot&symbol=BTCUSDT&limit=60"
    recent = [row["execId"] for row in simulator.get(path)["result"]["list"]]
    listed = [row["trade_id"] for row in simulator.ledger() if row["symbol"] == "BTCUSDT"]
    assert recent == listed[: -len(recent) - 1 : -1]
    path = "/v5/market/kline?category=spot&symbol=BTCUSDT&interval=1&limit=1000"
    klines = simulator.get(path)["result"]["list"]
    sent = sum(float(row["size"]) for row in simulator.ledger() if row["symbol"] == "BTCUSDT")
    assert sum(float(row[5]) for row in klines) >= sent * 0.999999


async def test_metrics_tell_the_trades(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """Prometheus sees what was sent and who is connected."""
    await answer_to(client, {"op": "subscribe", "args": TOPICS})
    await read_trades(client, 10)
    lines = simulator.text("/metrics").splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(values["cryptostream_simulator_trades_sent_total"]) >= 10
    assert float(values["cryptostream_simulator_connections"]) == 1


async def test_a_connection_that_ends_is_forgotten(simulator: RunningSimulator) -> None:
    """After a client has left, or was lost, nobody is counted as a subscriber."""
    async with aiohttp.ClientSession() as session:
        connection = await session.ws_connect(simulator.websocket)
        await answer_to(connection, {"op": "subscribe", "args": TOPICS})
        assert simulator.status()["subscribers"] == 1
        await connection.close()
        lost = await session.ws_connect(simulator.websocket)
        await answer_to(lost, {"op": "subscribe", "args": TOPICS})
        assert lost._response.connection is not None
        assert lost._response.connection.transport is not None
        lost._response.connection.transport.abort()

    def forgotten() -> bool:
        return bool(simulator.status()["connections"] == 0)

    eventually(forgotten, within=10)
