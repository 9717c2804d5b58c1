"""Bulk writes: every item settled, whatever Elasticsearch answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from elasticsearch import Elasticsearch
from hypothesis import given
from hypothesis import strategies as st
from support.http_server import answering

from cryptostream.stream.bulk import MAX_ACTIONS, BulkWriter, SinkUnavailableError, chunks
from cryptostream.stream.documents import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Server:
    """A bulk endpoint: `statuses(id, attempt)` decides an item, `whole(call)` a request."""

    def __init__(
        self,
        statuses: Callable[[str, int], int] = lambda _id, _attempt: 201,
        whole: Callable[[int], int] = lambda _call: 200,
    ) -> None:
        self.statuses, self.whole = statuses, whole
        self.calls = 0
        self.paths: list[str] = []
        self.attempts: dict[str, int] = {}

    def answer(self, path: str, body: bytes) -> tuple[int, bytes]:
        """Answer one bulk request as Elasticsearch does."""
        self.paths.append(path)
        self.calls += 1
        status = self.whole(self.calls)
        if status != 200:
            return status, b'{"error":{"type":"trouble"}}'
        headers = [json.loads(line) for line in body.splitlines()[::2]]
        items = [{"create": self._item(header["create"]["_id"])} for header in headers]
        return 200, json.dumps({"errors": True, "items": items}).encode()

    def _item(self, identity: str) -> dict[str, Any]:
        attempt = self.attempts[identity] = self.attempts.get(identity, 0) + 1
        status = self.statuses(identity, attempt)
        item: dict[str, Any] = {"status": status}
        if status >= 400:
            item["error"] = {"type": "some_exception", "reason": "because"}
        return item


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.naps: list[float] = []

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move the clock."""
        self.now += seconds
        self.naps.append(seconds)


@pytest.fixture
def clock() -> Iterator[Clock]:
    """Give a clock that only sleeping moves."""
    return Clock()


def _actions(count: int) -> list[Action]:
    return [
        Action(json.dumps({"create": {"_id": str(n)}}).encode() + b"\n", b"{}\n")
        for n in range(count)
    ]


def _writer(url: str, clock: Clock, refresh_seconds: float | None = None) -> BulkWriter:
    client = Elasticsearch(url, max_retries=0)
    return BulkWriter(
        client,
        deadline_seconds=60,
        refresh_seconds=refresh_seconds,
        clock=clock,
        sleep=clock.sleep,
    )


def test_written_and_existing_items_are_settled(clock: Clock) -> None:
    """201 counts as written, 409 as there already, and neither is sent again."""
    server = Server(statuses=lambda identity, _attempt: 409 if identity == "1" else 201)
    with answering(server.answer) as url:
        outcome = _writer(url, clock).write(_actions(3))
    assert (outcome.written, outcome.existed, outcome.refused) == (2, 1, ())
    assert server.calls == 1


def test_only_throttled_items_are_sent_again(clock: Clock) -> None:
    """An item's 429 or 503 is retried alone until it is taken."""
    busy = {"0": 429, "2": 503}
    server = Server(
        statuses=lambda identity, attempt: busy.get(identity, 201) if attempt < 3 else 201
    )
    with answering(server.answer) as url:
        outcome = _writer(url, clock).write(_actions(3))
    assert (outcome.written, outcome.retried) == (3, 4)
    assert server.attempts == {"0": 3, "1": 1, "2": 3}


def test_poison_is_given_back_with_its_reason(clock: Clock) -> None:
    """An item's 400 is not retried, does not stop the others, and carries its reason."""
    server = Server(statuses=lambda identity, _attempt: 400 if identity == "1" else 201)
    with answering(server.answer) as url:
        outcome = _writer(url, clock).write(_actions(3))
    assert outcome.written == 2
    (refused,) = outcome.refused
    assert (refused.status, refused.reason) == (400, "some_exception: because")
    assert b'"1"' in refused.action.header


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_refused_request_is_sent_again_with_growing_delays(status: int, clock: Clock) -> None:
    """A request refused as a whole is repeated, each time after a longer wait."""
    server = Server(whole=lambda call: status if call < 4 else 200)
    with answering(server.answer) as url:
        outcome = _writer(url, clock).write(_actions(2))
    assert outcome.written == 2
    assert clock.naps == sorted(clock.naps)
    assert len(set(clock.naps)) == 3


def test_a_server_that_stays_away_fails_the_batch_in_time(clock: Clock) -> None:
    """Without any answer the write raises at its deadline instead of waiting for ever."""
    writer = _writer("http://127.0.0.1:9", clock)
    with pytest.raises(SinkUnavailableError, match="2 documents"):
        writer.write(_actions(2))
    assert clock.now <= 60


def test_what_was_written_is_searchable_at_once_but_not_too_often(clock: Clock) -> None:
    """The last request of a batch asks for it, none within `refresh_seconds`, none amid it."""
    server = Server()
    with answering(server.answer) as url:
        writer = _writer(url, clock, refresh_seconds=1.0)
        writer.write(_actions(MAX_ACTIONS + 1))
        clock.now += 0.9
        writer.write(_actions(1))
        clock.now += 0.1
        writer.write(_actions(1), refresh=False)
        writer.write(_actions(1))
    assert ["refresh=true" in path for path in server.paths] == [
        False, True, False, False, True,
    ]  # fmt: skip


def test_nobody_refreshes_unasked(clock: Clock) -> None:
    """Without `refresh_seconds` the indices decide."""
    server = Server()
    with answering(server.answer) as url:
        _writer(url, clock).write(_actions(1))
    assert "refresh" not in server.paths[0]


def test_nothing_to_write_asks_nobody(clock: Clock) -> None:
    """An empty batch sends no request."""
    assert _writer("http://127.0.0.1:9", clock).write([]).written == 0


@given(st.lists(st.integers(0, 3_000_000), max_size=40), st.integers(1, 3))
def test_chunks_keep_order_and_bounds(sizes: list[int], repeat: int) -> None:
    """Chunks hold every action once, in order, none empty and none with too many."""
    actions = [Action(b"", b"x" * size) for size in sizes] * repeat
    cut = list(chunks(actions))
    assert [action for chunk in cut for action in chunk] == actions
    assert all(0 < len(chunk) <= MAX_ACTIONS for chunk in cut)
