"""The outbox: what a kill must not take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.alerts import event

from cryptostream.alerts.chats import MAX_MUTES, Chats
from cryptostream.alerts.database import Database
from cryptostream.alerts.dispatch import Dispatcher
from cryptostream.alerts.errors import OutboxFullError
from cryptostream.alerts.model import Mute, Position, Subscription, Target
from cryptostream.alerts.outbox import Outbox
from cryptostream.alerts.policy import Rules
from cryptostream.contracts.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_795_348_800_000
CHAT = Target("telegram", "1")


class Room:
    """Outbox and dispatcher over one file, with a clock that the test sets."""

    def __init__(self, folder: Path, *, max_open: int = 1_000) -> None:
        self.database = Database(folder)
        self.outbox = Outbox(self.database, max_open=max_open, window_ms=60_000)
        self.chats = Chats(self.database, Subscription(severity="info"))
        self.now = NOW
        self.dispatcher = Dispatcher(self.outbox, self.chats, [CHAT], Rules(), lambda: self.now)

    def take(self, number: int, **changes: object) -> bool:
        """Take in the event with this number and offset; each is another symbol."""
        told = event(event_id=f"e{number}", symbol=f"S{number}", **({"time": self.now} | changes))
        return self.dispatcher.take(told, Position(0, number))

    def settle(self) -> None:
        """Write all receipts."""
        self.outbox.receipted(self.outbox.receipts(1_000))


@pytest.fixture
def room(tmp_path: Path) -> Room:
    """Give an empty room."""
    return Room(tmp_path)


def test_an_event_is_taken_once(room: Room) -> None:
    """A second telling, under any offset, changes nothing."""
    assert room.take(1)
    assert not room.take(1)
    assert len(room.outbox.due(NOW)) == 1


def test_an_offset_is_done_when_receipt_and_delivery_are(room: Room) -> None:
    """Neither a message that waits nor a receipt that is not written lets an offset go."""
    room.take(7)
    assert room.outbox.open_offsets() == {0: 7}
    (parcel,) = room.outbox.due(NOW)
    room.outbox.sending(parcel.number, 3)
    room.outbox.sent(parcel.number, 99, NOW)
    assert room.outbox.open_offsets() == {0: 7}
    room.settle()
    assert room.outbox.open_offsets() == {}


def test_a_try_that_failed_has_a_receipt_and_keeps_the_offset(room: Room) -> None:
    """`retried` is a word, not the last one."""
    room.take(7)
    (parcel,) = room.outbox.due(NOW)
    room.outbox.sending(parcel.number, 3)
    room.outbox.retry(
        parcel.number, "http_500", due_ms=NOW + 9, unsure=True, plain=False, now_ms=NOW
    )
    (receipt,) = room.outbox.receipts(10)
    assert (receipt.state, receipt.reason, receipt.attempts) == ("retried", "http_500", 1)
    room.settle()
    assert room.outbox.open_offsets() == {0: 7}
    assert room.outbox.due(NOW) == []
    assert room.outbox.due(NOW + 9)[0].state == "unsure"


def test_a_receipt_that_changed_meanwhile_is_written_again(room: Room) -> None:
    """What is written counts only for what it said."""
    room.take(7)
    (parcel,) = room.outbox.due(NOW)
    room.outbox.retry(parcel.number, "x", due_ms=NOW, unsure=False, plain=False, now_ms=NOW)
    old = room.outbox.receipts(10)
    room.outbox.sent(parcel.number, 5, NOW)
    room.outbox.receipted(old)
    assert room.outbox.open_offsets() == {0: 7}
    assert [one.state for one in room.outbox.receipts(10)] == ["sent"]


def test_what_was_going_out_at_a_kill_is_unsure(room: Room, tmp_path: Path) -> None:
    """A start asks before it sends again, and remembers the floor of the last try."""
    room.take(1)
    (parcel,) = room.outbox.due(NOW)
    room.outbox.sending(parcel.number, 42)
    room.database.close()
    (again,) = Room(tmp_path).outbox.due(NOW)
    assert (again.state, again.floor, again.attempts) == ("unsure", 42, 1)


def test_a_burst_is_one_message(room: Room) -> None:
    """Five go out one by one, the others as one digest, and nothing is left out."""
    for number in range(20):
        room.take(number)
    room.now += 60_000
    seen = []
    while due := room.outbox.due(room.now):
        for parcel in due:
            seen.append([told.event.event_id for told in room.outbox.content(parcel.number)])
            room.outbox.sent(parcel.number, 1, room.now)
    assert [len(ids) for ids in seen] == [1] * 5 + [15]
    assert sorted(one for ids in seen for one in ids) == sorted(f"e{n}" for n in range(20))


def test_a_digest_that_was_tried_takes_no_more(room: Room) -> None:
    """What may have arrived must not grow: the rest makes a new one."""
    for number in range(7):
        room.take(number)
    digest = max(one.number for one in room.outbox.due(NOW + 60_000)) + 5
    room.outbox.sending(digest, 0)
    room.outbox.retry(digest, "x", due_ms=NOW, unsure=True, plain=False, now_ms=NOW)
    room.take(8)
    assert len(room.outbox.content(digest)) == 2


def test_the_cooldown_counts_what_it_held_back(room: Room) -> None:
    """The next telling says how many there were."""
    for at in (0, 10, 20, 400_000):
        room.now = NOW + at
        told = event(event_id=f"c{at}", time=room.now)
        room.dispatcher.take(told, None)
    reasons = [one.reason for one in room.outbox.receipts(10)]
    assert reasons == ["cooldown", "cooldown"]
    counts = [told.suppressed for number in (1, 2) for told in room.outbox.content(number)]
    assert counts == [0, 2]


def test_an_event_for_nobody_has_a_receipt(room: Room) -> None:
    """Dropped with its reason, and the offset goes on."""
    room.chats.subscribe(CHAT, Subscription(severity="critical"))
    room.take(3)
    (receipt,) = room.outbox.receipts(10)
    assert (receipt.target.channel, receipt.state, receipt.reason) == (
        "none",
        "dropped",
        "no_subscriber",
    )
    room.settle()
    assert room.outbox.open_offsets() == {}


def test_a_full_outbox_takes_nothing(tmp_path: Path) -> None:
    """The bound holds, and what was refused can come again."""
    room = Room(tmp_path, max_open=10)
    for number in range(10):
        room.take(number)
    with pytest.raises(OutboxFullError):
        room.take(10)
    (parcel, *_) = room.outbox.due(NOW)
    room.outbox.dropped(parcel.number, "blocked", NOW)
    room.settle()
    assert room.take(10)


def test_what_is_done_is_forgotten_and_what_is_open_stays(room: Room) -> None:
    """The file stays small; an event that waits is never pruned."""
    room.take(1)
    room.take(2)
    (parcel, *_) = room.outbox.due(NOW)
    room.outbox.sent(parcel.number, 5, NOW)
    room.settle()
    assert room.outbox.prune(NOW + 1, 100) == 1
    assert not room.outbox.knows("e1")
    assert room.outbox.knows("e2")


def test_a_second_instance_is_refused(room: Room, tmp_path: Path) -> None:
    """Two of them over one file would tell everything twice."""
    assert room.outbox.open_events() == 0
    with pytest.raises(SettingsError, match="ALERTS_STATE"):
        Database(tmp_path)


def test_mutes_are_bounded_and_end(room: Room) -> None:
    """A chat can't fill the disk, and time clears up."""
    for number in range(MAX_MUTES):
        assert room.chats.mute(CHAT, Mute(NOW + 10, rule=f"r{number}"), NOW)
    assert not room.chats.mute(CHAT, Mute(NOW + 10, rule="more"), NOW)
    assert room.chats.mutes(CHAT, NOW + 10) == []
    assert room.chats.mute(CHAT, Mute(NOW + 30, rule="more"), NOW + 20)
