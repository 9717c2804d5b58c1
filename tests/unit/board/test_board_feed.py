"""Reading forward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from cryptostream.board.feed import PAGES_PER_POLL, Feed
from cryptostream.board.model import TradeDocument
from cryptostream.board.search import SearchError
from cryptostream.contracts.errors import Failure

if TYPE_CHECKING:
    from cryptostream.board import queries

INDEX = "crypto-trades-2026.11.22"


class OneIndex:
    """Answers as an index of numbered writes does; fails the questions in `failing`."""

    def __init__(self, writes: int, failing: set[int] | None = None) -> None:
        self.writes = writes
        self.failing = failing or set()
        self.asked = 0

    async def ask(self, _indices: str, body: queries.Body) -> dict[str, Any]:
        """Answer `tops_body` and `changes_body`."""
        self.asked += 1
        if self.asked in self.failing:
            raise SearchError(Failure.TRANSIENT, "down")
        if "aggs" in body:
            top = {"key": INDEX, "top": {"value": self.writes - 1}}
            return {"aggregations": {"indices": {"buckets": [top] if self.writes else []}}}
        known = body["query"]["bool"]["filter"][0]["bool"]["should"][:-1]
        floor = known[0]["bool"]["filter"][1]["range"]["_seq_no"]["gt"] if known else -1
        found = range(floor + 1, self.writes)[: body["size"]]
        return {"hits": {"hits": [_hit(number) for number in found]}}


def _hit(number: int) -> dict[str, Any]:
    source = {
        "symbol": "A", "trade_id": str(number), "price": 1, "size": 1, "side": "buy",
        "trade_time": number,
    }  # fmt: skip
    return {"_index": INDEX, "sort": [number], "_source": source if number != 13 else {}}


def feed(index: OneIndex, *, page: int = 10, backfill: int = 5) -> Feed[TradeDocument]:
    """Make a feed over the index."""
    return Feed(index, "crypto-trades-*", ("symbol",), TradeDocument, backfill=backfill, page=page)


def ids(documents: list[TradeDocument]) -> list[int]:
    """Give the documents' numbers."""
    return [int(one.trade_id) for one in documents]


async def test_the_start_reads_a_little_again_and_then_only_what_is_new() -> None:
    """What is read again doesn't count as live; what comes later does, once."""
    index = OneIndex(8)
    reading = feed(index)
    first = await reading.poll()
    assert (ids(first.documents), first.live) == ([3, 4, 5, 6, 7], False)
    index.writes = 11
    second = await reading.poll()
    assert (ids(second.documents), second.live) == ([8, 9, 10], True)
    assert (await reading.poll()).documents == []


async def test_several_pages_are_read_in_one_poll() -> None:
    """More than a page arrives whole; a document of no known shape is counted, not given."""
    index = OneIndex(0)
    reading = feed(index)
    await reading.poll()
    index.writes = 25
    news = await reading.poll()
    assert ids(news.documents) == [number for number in range(25) if number != 13]
    assert news.bad == 1


async def test_a_hopeless_backlog_is_jumped_over() -> None:
    """More than the pages of a poll: the next poll begins at the newest, and not as live."""
    index = OneIndex(0)
    reading = feed(index)
    await reading.poll()
    index.writes = 10 * PAGES_PER_POLL + 100
    assert (await reading.poll()).jumps == 1
    news = await reading.poll()
    assert (ids(news.documents), news.live) == (list(range(135, 140)), False)


async def test_a_failure_between_pages_loses_nothing() -> None:
    """Pages read before a failure are given; the next poll goes on behind them."""
    index = OneIndex(0)
    reading = feed(index)
    await reading.poll()
    index.writes, index.failing = 35, {index.asked + 3}
    first = ids((await reading.poll()).documents)
    second = ids((await reading.poll()).documents)
    assert sorted(first + second) == [number for number in range(35) if number != 13]


async def test_a_failed_poll_is_asked_again() -> None:
    """The first question's failure goes up, and the next poll has it all."""
    index = OneIndex(0)
    reading = feed(index)
    await reading.poll()
    index.writes, index.failing = 4, {index.asked + 1}
    with pytest.raises(SearchError):
        await reading.poll()
    assert ids((await reading.poll()).documents) == [0, 1, 2, 3]


async def test_an_index_made_anew_is_read() -> None:
    """After deletion and new writes, the feed gives the new ones."""
    index = OneIndex(50)
    reading = feed(index, backfill=0)
    await reading.poll()
    index.writes = 3
    await reading.rebase()
    index.writes = 5
    assert ids((await reading.poll()).documents) == [3, 4]
