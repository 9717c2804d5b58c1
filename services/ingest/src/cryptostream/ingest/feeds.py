"""All connections of a process: which topics each of them brings, while both change."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from cryptostream.ingest.protocol import per_connection, topic_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from cryptostream.ingest.connection import Feed

#: The names of the lanes: each brings every topic.
LANES: Final = "ab"


class Feeds:
    """Opens and closes connections as symbols come and go.

    Topics that stay keep their connection, and it does not notice that others changed. With two
    lanes each topic is read by two connections, and the loss of one costs nothing.

    Args:
        make: gives a feed for a connection's name and its first topics.
        lanes: 1 or 2.
    """

    def __init__(self, make: Callable[[str, Collection[str]], Feed], *, lanes: int = 1) -> None:
        self._make = make
        self._lanes = LANES[:lanes]
        self._groups: list[list[str]] = []
        self._feeds: dict[str, Feed] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Whether each connection is ready; without symbols there is nothing to wait for."""
        return all(feed.ready for feed in self._feeds.values())

    @property
    def connected(self) -> int:
        """How many connections are open."""
        return sum(feed.connected for feed in self._feeds.values())

    @property
    def all_connected(self) -> bool:
        """Whether every connection is open."""
        return self.connected == len(self._feeds)

    @property
    def subscribed(self) -> int:
        """How many topics are granted; a topic of two lanes counts twice."""
        return sum(feed.subscribed for feed in self._feeds.values())

    @property
    def refused(self) -> int:
        """How many topics the exchange does not know."""
        return len({topic for feed in self._feeds.values() for topic in feed.refused})

    @property
    def silent(self) -> int:
        """How many symbols are silent, on each connection."""
        return sum(feed.silent for feed in self._feeds.values())

    @property
    def unanswered(self) -> float:
        """For how many seconds the longest awaited answer is due."""
        return max((feed.unanswered for feed in self._feeds.values()), default=0.0)

    @property
    def symbols(self) -> int:
        """How many symbols are wanted."""
        return sum(map(len, self._groups))

    def want(self, symbols: Collection[str]) -> None:
        """Read these symbols from now on."""
        wanted = sorted(map(topic_of, symbols))
        groups = per_connection(wanted, self._groups)
        if groups == self._groups:
            return
        before = self._groups + [[] for _ in groups[len(self._groups) :]]
        for place, (old, new) in enumerate(zip(before, groups, strict=True)):
            if old != new:
                for lane in self._lanes:
                    self._change(f"{lane}{place}", new)
        self._groups = groups

    async def run(self) -> None:
        """Keep the connections for ever; raises what one of them raised."""
        try:
            while True:
                self._changed.clear()
                await self._next_event()
                for task in [task for task in self._tasks.values() if task.done()]:
                    task.result()
        finally:
            await self._close()

    async def _next_event(self) -> None:
        """Wait until feeds were opened or closed, or one of them failed."""
        changed = asyncio.ensure_future(self._changed.wait())
        try:
            tasks = {changed, *self._tasks.values()}
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            changed.cancel()

    def _change(self, name: str, topics: Collection[str]) -> None:
        feed = self._feeds.get(name)
        if feed is None:
            feed = self._feeds[name] = self._make(name, topics)
            self._tasks[name] = asyncio.create_task(feed.run(), name=f"feed-{name}")
        else:
            feed.want(topics)
        if not topics:
            del self._feeds[name]
            task = self._tasks.pop(name)
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            task.cancel()
        self._changed.set()

    async def _close(self) -> None:
        tasks = [*self._tasks.values(), *self._closing]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
