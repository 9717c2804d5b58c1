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


class Wire(WSListener):
    """The listener of one connection; `take` gets each message and may raise."""

    def __init__(self, take: Callable[[bytes], None]) -> None:
        super().__init__()
        self._take = take
        self._parts = bytearray()
        self._transport: WSTransport | None = None
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def send(self, message: bytes) -> None:
        """Send a text message; on a dead connection it goes nowhere."""
        if self._transport is not None:
            self._transport.send(WSMsgType.TEXT, message)

    async def over(self) -> None:
        """Wait for the end; raises `ConnectionLostError`, or what `take` raised."""
        await asyncio.shield(self._over)

    def pause(self) -> None:
        """Read no further; what was read already is still handed over."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.pause_reading()

    def resume(self) -> None:
        """Read on after `pause`."""
        if self._transport is not None and not self._transport.is_disconnected:
            self._transport.underlying_transport.resume_reading()

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
        if kind == WSMsgType.TEXT and frame.fin:
            self._hand_over(frame.get_payload_as_bytes())
        elif kind == WSMsgType.CLOSE:
            code = frame.get_close_code()
            self._end(ConnectionLostError("closed", f"by the exchange: {code}"))
            transport.disconnect()
        elif kind in (WSMsgType.TEXT, WSMsgType.BINARY, WSMsgType.CONTINUATION):
            self._gather(frame)

    def on_ws_disconnected(self, _: WSTransport) -> None:
        """Note that the connection broke."""
        self._end(ConnectionLostError("closed", "without a word"))

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
