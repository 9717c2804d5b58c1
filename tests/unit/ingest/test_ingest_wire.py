"""The WebSocket against a server that sends what no ordinary one does."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
import uvloop
from picows import WSCloseCode, WSListener, WSMsgType, WSTransport, ws_create_server
from prometheus_client import Counter
from support.eventually import eventually_async

from cryptostream.contracts.errors import Failure
from cryptostream.ingest.budget import Budget
from cryptostream.ingest.dial import Dialer
from cryptostream.ingest.errors import ConnectionLostError, classify
from cryptostream.ingest.wire import HARD_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from cryptostream.ingest.wire import Wire

Greeting = list[tuple[WSMsgType, bytes, bool]]


class Greeter(WSListener):
    """Sends its frames at once, then a close frame if it has a code."""

    def __init__(self, frames: Greeting, code: WSCloseCode | None) -> None:
        super().__init__()
        self._frames, self._code = frames, code

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Greet."""
        for kind, payload, fin in self._frames:
            transport.send(kind, payload, fin=fin)
        if self._code is not None:
            transport.send_close(self._code)


class Ticker(WSListener):
    """Sends numbered frames one by one, one each turn of a millisecond's timer."""

    def __init__(self, frames: int) -> None:
        super().__init__()
        self._left = iter(range(frames))

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Send a frame and come back for the next."""
        number = next(self._left, None)
        if number is not None and not transport.is_disconnected:
            transport.send(WSMsgType.TEXT, b"%d" % number)
            asyncio.get_running_loop().call_later(0.001, self.on_ws_connected, transport)


@asynccontextmanager
async def greeted(
    frames: Greeting, take: Callable[[bytes], None], code: WSCloseCode | None = None
) -> AsyncIterator[Wire]:
    """Connect to a server that greets."""
    server = await ws_create_server(lambda _: Greeter(frames, code), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    attempts = Counter("attempts", "of the test", registry=None)
    dialer = Dialer(f"ws://127.0.0.1:{port}/", Budget(), attempts, asyncio.get_running_loop().time)
    wire = await dialer.connect(take, 5.0, "test")
    try:
        yield wire
    finally:
        await wire.close()
        server.close()


async def test_a_message_in_several_frames_is_handed_over_whole() -> None:
    """Its parts are joined in order, a ping between them notwithstanding."""
    taken: list[bytes] = []
    frames: Greeting = [
        (WSMsgType.TEXT, b"one", False),
        (WSMsgType.PING, b"", True),
        (WSMsgType.CONTINUATION, b" two", False),
        (WSMsgType.CONTINUATION, b" three", True),
        (WSMsgType.TEXT, b"whole", True),
        (WSMsgType.BINARY, b"bytes", True),
    ]
    async with greeted(frames, taken.append, WSCloseCode.OK) as wire:
        with pytest.raises(ConnectionLostError, match="by the exchange"):
            await asyncio.wait_for(wire.over(), 5)
    assert taken == [b"one two three", b"whole", b"bytes"]


async def test_a_message_without_end_loses_the_connection() -> None:
    """Parts are kept up to a bound and no further."""
    part = b"x" * (HARD_MESSAGE_BYTES // 2 + 1)
    frames: Greeting = [
        (WSMsgType.TEXT, part, False),
        (WSMsgType.CONTINUATION, part, False),
    ]
    async with greeted(frames, lambda _: None) as wire:
        with pytest.raises(ConnectionLostError, match="too long"):
            await asyncio.wait_for(wire.over(), 5)


async def test_a_frame_above_the_bound_loses_the_connection() -> None:
    """It is refused by its header, before its bytes are taken into memory."""
    frames: Greeting = [(WSMsgType.TEXT, b"x" * (HARD_MESSAGE_BYTES + 1), True)]
    async with greeted(frames, lambda _: None) as wire:
        with pytest.raises(ConnectionLostError, match="closed"):
            await asyncio.wait_for(wire.over(), 5)


async def test_frames_that_come_often_are_read_together_and_none_is_forgotten() -> None:
    """A rest between reads delays a frame and never leaves it behind, whatever else pauses."""
    taken: list[bytes] = []
    server = await ws_create_server(lambda _: Ticker(300), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    attempts = Counter("attempts", "of the test", registry=None)
    dialer = Dialer(f"ws://127.0.0.1:{port}/", Budget(), attempts, asyncio.get_running_loop().time)
    wire = await dialer.connect(taken.append, 5.0, "test")
    await eventually_async(lambda: _reached(taken, 100), within=10)
    wire.pause()
    wire.resume()
    await eventually_async(lambda: _reached(taken, 300), within=10)
    assert taken == [b"%d" % number for number in range(300)]
    await wire.close()
    server.close()


async def test_what_the_taker_raises_reaches_whoever_waits() -> None:
    """A bug in the hot path ends the connection; nothing is handed over after it."""
    taken: list[bytes] = []

    def fail(raw: bytes) -> None:
        taken.append(raw)
        raise KeyError("a bug")

    frames: Greeting = [(WSMsgType.TEXT, b"1", True), (WSMsgType.TEXT, b"2", True)]
    async with greeted(frames, fail) as wire:
        with pytest.raises(KeyError, match="a bug"):
            await asyncio.wait_for(wire.over(), 5)
    assert taken == [b"1"]


async def _reached(taken: list[bytes], count: int) -> bool:
    return len(taken) >= count


def test_a_name_that_does_not_exist_is_a_failure_to_connect() -> None:
    """The loop that the service runs on says so with an error that is tried again."""

    async def dial() -> None:
        attempts = Counter("attempts", "of the test", registry=None)
        clock = asyncio.get_running_loop().time
        # Reserved: no resolver may know it (RFC 6761, 6.4).
        await Dialer("ws://exchange.invalid/", Budget(), attempts, clock).connect(print, 8.0, "t")

    with (
        asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner,
        pytest.raises(ConnectionLostError) as lost,
    ):
        runner.run(dial())
    assert lost.value.cause in {"connect_failed", "connect_timeout"}
    assert classify(lost.value) is Failure.TRANSIENT
