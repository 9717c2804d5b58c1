"""Mailboxes."""

from __future__ import annotations

import asyncio

from cryptostream.board.viewers import MAILBOX_EVENTS, RESET, Viewer, Viewers, event


def test_an_event_is_named_and_ends_with_a_blank_line() -> None:
    """The wire form of server-sent events."""
    assert event("tick", b'{"a":1}') == b'event: tick\ndata: {"a":1}\n\n'


async def test_events_come_in_order_and_together() -> None:
    """All that waits is given at once, joined."""
    viewer = Viewer("A")
    viewer.put(b"1")
    viewer.put(b"2")
    assert await viewer.take() == b"12"


async def test_a_slow_viewer_skips_to_the_newest() -> None:
    """A full mailbox is emptied: a reset, then the newest event. Others are untouched."""
    viewers = Viewers(2)
    slow, fast = viewers.join("A"), viewers.join("A")
    assert slow
    assert fast
    for number in range(MAILBOX_EVENTS + 1):
        viewers.send(b"%d;" % number)
        assert await fast.take() == b"%d;" % number
    assert await slow.take() == RESET + b"%d;" % MAILBOX_EVENTS
    assert viewers.skips == 1


async def test_events_of_a_symbol_go_to_its_viewers() -> None:
    """A tick reaches who looks at its symbol, and no one else."""
    viewers = Viewers(2)
    one, other = viewers.join("A"), viewers.join("B")
    assert one
    assert other
    viewers.send(b"tick", "A")
    viewers.send(b"pulse")
    assert await one.take() == b"tickpulse"
    assert await other.take() == b"pulse"
    assert viewers.watched() == {"A", "B"}


async def test_a_full_house_lets_no_one_in_until_someone_leaves() -> None:
    """The number of viewers is bounded."""
    viewers = Viewers(1)
    one = viewers.join("A")
    assert one
    assert viewers.join("A") is None
    viewers.leave(one)
    assert len(viewers) == 0
    assert viewers.join("A")


async def test_closing_ends_every_stream() -> None:
    """A waiting viewer is woken, gets what is left and then the end."""
    viewers = Viewers(1)
    viewer = viewers.join("A")
    assert viewer
    waiting = asyncio.create_task(viewer.take())
    viewer.put(b"last")
    viewers.close()
    assert await waiting == b"last"
    assert await viewer.take() is None
