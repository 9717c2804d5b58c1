"""Connections grow and shrink with the symbols, and none is touched without need."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from cryptostream.ingest import protocol
from cryptostream.ingest.feeds import Feeds
from cryptostream.ingest.protocol import topic_of

if TYPE_CHECKING:
    from collections.abc import Collection


class Line:
    """A connection that only remembers what it was told."""

    connected = ready = True
    silent = subscribed = 0
    unanswered = 0.0

    def __init__(self, name: str, topics: Collection[str]) -> None:
        self.name = name
        self.wishes = [sorted(topics)]
        self.refused: dict[str, str] = {}
        self.fails = asyncio.Event()
        self.ended = False

    def want(self, topics: Collection[str]) -> None:
        """Remember the topics."""
        self.wishes.append(sorted(topics))

    async def run(self) -> None:
        """Last until cancelled, or told to fail."""
        try:
            await self.fails.wait()
            raise RuntimeError("fatal")
        finally:
            self.ended = True


class Exchange:
    """Makes the lines and keeps them."""

    def __init__(self, lanes: int) -> None:
        self.lines: dict[str, Line] = {}
        self.feeds = Feeds(self._make, lanes=lanes)  # type: ignore[arg-type]

    def _make(self, name: str, topics: Collection[str]) -> Line:
        self.lines[name] = Line(name, topics)
        return self.lines[name]


def topics(*symbols: str) -> list[str]:
    """Name the topics of symbols."""
    return [topic_of(symbol) for symbol in symbols]


async def test_each_symbol_is_on_both_lanes() -> None:
    """A and B carry the same."""
    exchange = Exchange(2)
    exchange.feeds.want(["X", "Y"])
    assert {name: line.wishes for name, line in exchange.lines.items()} == {
        "a0": [topics("X", "Y")],
        "b0": [topics("X", "Y")],
    }
    assert exchange.feeds.symbols == 2
    await stopped(exchange)


async def test_only_what_changes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second connection opens for what has no room, and ends with its last topic."""
    monkeypatch.setattr(protocol, "MAX_TOPIC_CHARS_PER_CONNECTION", 2 * len(topic_of("X")))
    exchange = Exchange(1)
    exchange.feeds.want(["X", "Y"])
    exchange.feeds.want(["Y", "X"])
    exchange.feeds.want(["X", "Y", "Z"])
    assert exchange.lines["a0"].wishes == [topics("X", "Y")]
    assert exchange.lines["a1"].wishes == [topics("Z")]
    exchange.feeds.want(["Y", "V"])
    assert exchange.lines["a0"].wishes[1:] == [topics("V", "Y")]
    assert exchange.lines["a1"].wishes[1:] == [[]]
    await stopped(exchange)
    assert all(line.ended for line in exchange.lines.values() if line.name == "a0")


async def test_a_feed_that_fails_for_good_ends_all() -> None:
    """What one raises, `run` raises, also from a feed that was opened later."""
    exchange = Exchange(1)
    running = asyncio.create_task(exchange.feeds.run())
    await asyncio.sleep(0)
    exchange.feeds.want(["X"])
    exchange.lines["a0"].fails.set()
    with pytest.raises(RuntimeError, match="fatal"):
        await asyncio.wait_for(running, 5.0)


async def stopped(exchange: Exchange) -> None:
    """Run the feeds for a moment and stop them."""
    running = asyncio.create_task(exchange.feeds.run())
    await asyncio.sleep(0.02)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
