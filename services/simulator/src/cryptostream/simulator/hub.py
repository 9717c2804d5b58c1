"""Who listens to what, and how far behind each may fall."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from cryptostream.simulator.frames import GOING_AWAY_FRAME, TOPIC_PREFIX, text_frame

if TYPE_CHECKING:
    import asyncio

    from cryptostream.simulator.protocol import Session

log = logging.getLogger(__name__)


class Subscriber:
    """One connection: its session, its symbols, and its transport.

    Frames are rendered once and written straight to the transport; each write holds whole
    frames, so they can't mix with the answers that the WebSocket writes there itself.
    """

    def __init__(self, session: Session, transport: asyncio.Transport) -> None:
        self.session = session
        self.symbols: set[str] = set()
        self.transport = transport

    @property
    def alive(self) -> bool:
        """Whether the connection still takes data."""
        return not self.transport.is_closing()


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

    def listened(self, symbol: str) -> bool:
        """Tell whether a symbol's trades have at least one living subscriber."""
        return any(subscriber.alive for subscriber in self._by_symbol.get(symbol, ()))

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
        """Let the connection hear the topics from the next order on."""
        for topic in topics:
            symbol = topic.removeprefix(TOPIC_PREFIX)
            subscriber.symbols.add(symbol)
            self._by_symbol.setdefault(symbol, set()).add(subscriber)

    def remove(self, subscriber: Subscriber, topics: tuple[str, ...]) -> None:
        """Let the connection hear the topics no longer."""
        for topic in topics:
            symbol = topic.removeprefix(TOPIC_PREFIX)
            subscriber.symbols.discard(symbol)
            self._by_symbol.get(symbol, set()).discard(subscriber)

    def publish(self, symbol: str, payload: bytes) -> None:
        """Queue one message for the symbol's subscribers; `flush` sends it."""
        self._pending.append((symbol, text_frame(payload)))

    def flush(self) -> None:
        """Send what is queued, one write per connection, and cut off who reads too slowly."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        for subscriber in tuple(self._subscribers):
            mine = subscriber.symbols
            frames = b"".join([frame for symbol, frame in pending if symbol in mine])
            if frames and subscriber.alive:
                subscriber.transport.write(frames)
                self._check_pace(subscriber)

    def unsent_bytes(self) -> int:
        """Give the bytes that wait in the connections' buffers."""
        return sum(s.transport.get_write_buffer_size() for s in self._subscribers if s.alive)

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
        for subscriber in tuple(self._subscribers):
            if subscriber.alive:
                subscriber.transport.write(GOING_AWAY_FRAME)
                subscriber.transport.close()
