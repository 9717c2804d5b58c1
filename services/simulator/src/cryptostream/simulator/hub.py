"""Who listens to what, and how far behind each may fall."""

from __future__ import annotations

import logging
import socket
import struct
from typing import TYPE_CHECKING, Final

from cryptostream.simulator.frames import CLOSE_GOING_AWAY, TOPIC_PREFIX, close_frame, text_frame

if TYPE_CHECKING:
    import asyncio

    from cryptostream.simulator.protocol import Session

log = logging.getLogger(__name__)

#: Linger on, for 0 seconds: closing discards what is unsent and resets the connection.
_RESET: Final = struct.pack("ii", 1, 0)


class Subscriber:
    """One connection: its session, its symbols, and its transport.

    Frames are rendered once and written straight to the transport; each write holds whole
    frames, so they can't mix with the answers that the WebSocket writes there itself.

    Attributes:
        symbols: those listened to, as a set that never changes: equal ones share a write.
        frozen: nothing is read or written any more, though the connection stands.
        stalled: how many faults let it hear nothing but pongs.
    """

    def __init__(self, session: Session, transport: asyncio.Transport) -> None:
        self.session = session
        self.symbols: frozenset[str] = frozenset()
        self.transport = transport
        self.frozen = False
        self.stalled = 0

    @property
    def alive(self) -> bool:
        """Whether the connection stands, as far as this side knows."""
        return not self.transport.is_closing()

    @property
    def hears(self) -> bool:
        """Whether the connection still takes trades."""
        return not (self.frozen or self.stalled or self.transport.is_closing())

    def write(self, frames: bytes) -> None:
        """Send whole frames, unless the connection takes none."""
        if not (self.frozen or self.transport.is_closing()):
            self.transport.write(frames)

    def close(self, code: int | None) -> None:
        """End the connection after what was written; None sends no close frame."""
        if code is not None:
            self.write(close_frame(code))
        self.transport.close()

    def reset(self) -> None:
        """End the connection by a TCP reset, losing what was not taken yet."""
        raw = self.transport.get_extra_info("socket")
        if raw is not None and self.alive:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.transport.abort()

    def freeze(self) -> None:
        """Neither read nor write any more, as a peer behind a broken line."""
        self.frozen = True
        if self.alive:
            self.transport.pause_reading()


class Hub:
    """All connections, and the frames that wait for the next flush.

    Args:
        send_buffer_bytes: a reader with more unread bytes than this is cut off, so no slow
            reader can take memory without bound.
    """

    def __init__(self, send_buffer_bytes: int) -> None:
        self._send_buffer_bytes = send_buffer_bytes
        self._subscribers: set[Subscriber] = set()
        self._by_symbol: dict[str, set[Subscriber]] = {}
        self._pending: list[tuple[str, bytes]] = []
        self.slow_readers = 0

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._subscribers)

    def connected(self) -> tuple[Subscriber, ...]:
        """Give the connections that stand."""
        return tuple(subscriber for subscriber in self._subscribers if subscriber.alive)

    def listened(self, symbol: str) -> bool:
        """Tell whether a symbol's trades have at least one subscriber that hears them."""
        for subscriber in self._by_symbol.get(symbol, ()):  # noqa: SIM110 - twice as fast
            if subscriber.hears:
                return True
        return False

    def subscribers(self) -> int:
        """Count the connections that listen to at least one symbol."""
        return sum(1 for subscriber in self._subscribers if subscriber.symbols)

    def join(self, subscriber: Subscriber) -> None:
        """Take a new connection in."""
        self._subscribers.add(subscriber)

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a connection and its topics."""
        self.remove(subscriber, tuple(TOPIC_PREFIX + symbol for symbol in subscriber.symbols))
        self._subscribers.discard(subscriber)

    def add(self, subscriber: Subscriber, topics: tuple[str, ...]) -> None:
        """Let the connection hear the topics from the next order on, if it still stands."""
        if subscriber not in self._subscribers or not topics:
            return
        symbols = [topic.removeprefix(TOPIC_PREFIX) for topic in topics]
        subscriber.symbols |= frozenset(symbols)
        for symbol in symbols:
            self._by_symbol.setdefault(symbol, set()).add(subscriber)

    def remove(self, subscriber: Subscriber, topics: tuple[str, ...]) -> None:
        """Let the connection hear the topics no longer."""
        symbols = [topic.removeprefix(TOPIC_PREFIX) for topic in topics]
        subscriber.symbols -= frozenset(symbols)
        for symbol in symbols:
            self._by_symbol.get(symbol, set()).discard(subscriber)

    def tell(self, subscriber: Subscriber, frame: bytes, *, even_if_stalled: bool = False) -> None:
        """Send one connection a frame of its own, at once."""
        if subscriber.alive and (even_if_stalled or not subscriber.stalled):
            subscriber.write(frame)
            self._check_pace(subscriber)

    def publish(self, symbol: str, payload: bytes) -> None:
        """Queue one message for the symbol's subscribers; `flush` sends it."""
        self._pending.append((symbol, text_frame(payload)))

    def flush(self) -> None:
        """Send what is queued, one write per connection, and cut off who reads too slowly.

        Connections with the same symbols share the bytes: they are joined once.
        """
        pending, self._pending = self._pending, []
        if not pending:
            return
        joined: dict[frozenset[str], bytes] = {}
        for subscriber in tuple(self._subscribers):
            mine = subscriber.symbols
            if not (mine and subscriber.hears):
                continue
            if mine not in joined:
                joined[mine] = b"".join([frame for symbol, frame in pending if symbol in mine])
            if joined[mine]:
                subscriber.transport.write(joined[mine])
                self._check_pace(subscriber)

    def unsent_bytes(self) -> int:
        """Give the bytes that wait in the buffers of connections that take data."""
        return sum(s.transport.get_write_buffer_size() for s in self._subscribers if s.hears)

    def _check_pace(self, subscriber: Subscriber) -> None:
        unread = subscriber.transport.get_write_buffer_size()
        if unread <= self._send_buffer_bytes:
            return
        self.slow_readers += 1
        subscriber.transport.abort()
        fields = {"conn_id": subscriber.session.conn_id, "unread_bytes": unread}
        log.warning("slow_reader_disconnected", extra={"fields": fields})

    def close(self) -> None:
        """End all connections, telling them why."""
        for subscriber in self.connected():
            subscriber.close(CLOSE_GOING_AWAY)
