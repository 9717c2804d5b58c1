"""Who is looking: each viewer has a small mailbox, so that no one waits for a slow one."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final

#: About four seconds of ticks and pulses; who is further behind starts afresh.
MAILBOX_EVENTS: Final = 16


def event(name: str, data: bytes) -> bytes:
    """Render a server-sent event; `data` is one line of JSON."""
    return b"event: " + name.encode() + b"\ndata: " + data + b"\n\n"


RESET: Final = event("reset", b"{}")


class Viewer:
    """One open stream of one instrument."""

    def __init__(self, key: str) -> None:
        self.key = key
        self._mail: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._closed = False

    def put(self, message: bytes) -> bool:
        """Leave an event. A full mailbox is emptied first, and the viewer told to load anew.

        True if that had to be.
        """
        skipped = len(self._mail) >= MAILBOX_EVENTS
        if skipped:
            self._mail.clear()
            self._mail.append(RESET)
        self._mail.append(message)
        self._filled.set()
        return skipped

    def close(self) -> None:
        """End the stream once the mailbox is empty."""
        self._closed = True
        self._filled.set()

    async def take(self) -> bytes | None:
        """Wait for events and give all that are there, joined; None at the end."""
        await self._filled.wait()
        if not self._mail:
            return None
        joined = b"".join(self._mail)
        self._mail.clear()
        if not self._closed:
            self._filled.clear()
        return joined


class Viewers:
    """All open streams."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: set[Viewer] = set()
        self.skips = 0

    def __len__(self) -> int:
        return len(self._open)

    def join(self, key: str) -> Viewer | None:
        """Let a viewer in; None when the house is full."""
        if len(self._open) >= self._most:
            return None
        viewer = Viewer(key)
        self._open.add(viewer)
        return viewer

    def leave(self, viewer: Viewer) -> None:
        """Forget a viewer."""
        self._open.discard(viewer)

    def watched(self) -> set[str]:
        """Name the instruments that someone looks at."""
        return {viewer.key for viewer in self._open}

    def send(self, message: bytes, key: str | None = None) -> None:
        """Leave an event with every viewer, or with those of one instrument."""
        for viewer in self._open:
            if key is None or viewer.key == key:
                self.skips += viewer.put(message)

    def close(self) -> None:
        """End every stream."""
        for viewer in self._open:
            viewer.close()
