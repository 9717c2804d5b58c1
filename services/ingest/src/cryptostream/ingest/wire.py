"""One open WebSocket: whole messages handed to a function, failures to whoever waits.

picows calls back for each frame without waking a task, which halves what a small frame costs;
`python -m bench_ingest.sockets` compares it with others.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport

from cryptostream.ingest.errors import ConnectionLostError
from cryptostream.ingest.protocol import MAX_FRAME_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

#: A peer that is gone does not answer our close frame.
CLOSE_SECONDS: Final = 0.5
#: Somewhat above what `parse` takes: a message in between is a dead letter, no lost connection.
HARD_MESSAGE_BYTES: Final = 4 * MAX_FRAME_BYTES
#: Frames that come more often than this are read together: to wake up for each of them costs
#: three times what it costs to handle it, and Kafka's producer waits longer anyway.
REST_SECONDS: Final = 0.010
#: A read that brought more left others waiting: no time to rest.
REST_BYTES: Final = 8 * 1024


class Wire(WSListener):
    """The listener of one connection; `take` gets each message and may raise."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        super().__init__()
        self._take = take
        self._parts = bytearray()
        self._transport: WSTransport | None = None
        self._loop = asyncio.get_running_loop()
        self._last_read = 0.0
        self._bytes = 0
        self._reading = True
        self._paused = False
        self._over: asyncio.Future[None] = self._loop.create_future()

    def send(self, message: bytes) -> None:
        """Send a text message; on a dead connection it goes nowhere."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    async def over(self) -> None:
        """Wait for the end; raises `ConnectionLostError`, or what `take` raised."""
        await asyncio.shield(self._over)

    def pause(self) -> None:
        """Read no further; what was read already is still handed over."""
        self._paused = True
        self._read(on=False)

    def resume(self) -> None:
        """Read on after `pause`."""
        self._paused = False
        self._read(on=True)

    async def close(self) -> None:
        """Hand over nothing more and close, at once if the peer is gone."""
        self._end(ConnectionLostError("closed", "by us"))
        self._over.exception()  # nobody may wait for it any more
        if self._transport is None:
            return
        self._transport.send_close(WSCloseCode.OK)
        self._transport.disconnect()
        with suppress(TimeoutError, WSError, OSError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._transport.wait_disconnected()
        self._transport.disconnect(graceful=False)

    def on_ws_connected(self, transport: WSTransport) -> None:
        """Keep the transport."""
        self._transport = transport

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Hand a message over. In the hot path."""
        if self._over.done():
            return
        kind = frame.msg_type
        self._bytes += frame.payload_size
        if kind == WSMsgType.TEXT and frame.fin:
            self._hand_over(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            code = frame.get_close_code()
            self._end(ConnectionLostError("closed", f"by the exchange: {code}"))
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._gather(frame)
        if frame.last_in_buffer:
            self._rest_if_busy()

    def on_ws_disconnected(self, _: WSTransport) -> None:
        """Note that the connection broke."""
        self._end(ConnectionLostError("closed", "without a word"))

    def _rest_if_busy(self) -> None:
        """After a small read that came soon after the last one, let frames gather a moment."""
        now = self._loop.time()
        if now - self._last_read < 2 * REST_SECONDS and self._bytes < REST_BYTES:
            self._read(on=False)
            self._loop.call_later(REST_SECONDS, self._wake)
        self._last_read, self._bytes = now, 0

    def _wake(self) -> None:
        if not self._paused:
            self._read(on=True)

    def _read(self, *, on: bool) -> None:
        transport = self._transport
        if on is self._reading or transport is None or transport.is_disconnected:
            return
        self._reading = on
        if on:
            transport.underlying_transport.resume_reading()
        else:
            transport.underlying_transport.pause_reading()

    def _gather(self, frame: WSFrame) -> None:
        """Join the parts of a message that came in several frames."""
        self._parts += frame.get_payload_as_bytes()
        if len(self._parts) > HARD_MESSAGE_BYTES:
            self._end(ConnectionLostError("closed", "a message was too long"))
        elif frame.fin:
            message, self._parts = bytes(self._parts), bytearray()
            self._hand_over(message)

    def _hand_over(self, message: bytes) -> None:
        try:
            self._take(message)
        except Exception as error:  # noqa: BLE001 - whoever waits for the end classifies it
            self._end(error)

    def _end(self, error: Exception) -> None:
        if not self._over.done():
            self._over.set_exception(error)
