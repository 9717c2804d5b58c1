"""Telegram's limits."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cryptostream.alerts.backoff import LONGEST_MS, rest_ms
from cryptostream.alerts.limits import Limits

NOW = 1_795_348_800_000
CHATS = ("1", "2", "3", "-100123", "-5")


def most_within(times: list[int], window_ms: int) -> int:
    """Count the most sends within any window."""
    return max((sum(at <= other < at + window_ms for other in times) for at in times), default=0)


@given(st.lists(st.tuples(st.sampled_from(CHATS), st.integers(0, 400)), max_size=200))
def test_no_limit_is_ever_passed(wishes: list[tuple[str, int]]) -> None:
    """One a second in a chat, 20 a minute in a group, 30 a second in all: in any window."""
    limits, now, sent = Limits(), NOW, []
    for chat, gap in wishes:
        now = limits.next_ms(chat, now + gap)
        assert limits.next_ms(chat, now) == now
        limits.note(chat, now)
        sent.append((chat, now))
    assert most_within([at for _, at in sent], 1_000) <= 30
    for chat in CHATS:
        times = [at for one, at in sent if one == chat]
        assert most_within(times, 1_000) <= 1
        assert not chat.startswith("-") or most_within(times, 60_000) <= 20


def test_many_people_are_served_side_by_side() -> None:
    """25 chats get their message within the same second, the 26th in the next."""
    limits = Limits()
    for chat in range(1, 26):
        assert limits.next_ms(str(chat), NOW) == NOW
        limits.note(str(chat), NOW)
    assert NOW < limits.next_ms("26", NOW) <= NOW + 1_100


def test_a_block_holds_its_chat_alone() -> None:
    """What Telegram asks for one chat is nobody else's."""
    limits = Limits()
    limits.block("1", NOW + 7_000)
    assert limits.next_ms("1", NOW) == NOW + 7_000
    assert limits.next_ms("2", NOW) == NOW


def test_two_blocks_hold_everyone() -> None:
    """Two chats blocked at once mean the bot as a whole."""
    limits = Limits()
    limits.block("1", NOW + 7_000)
    limits.block("2", NOW + 3_000)
    assert limits.next_ms("3", NOW) == NOW + 7_000
    assert limits.next_ms("3", NOW + 3_500) == NOW + 3_500


@given(attempts=st.integers(0, 10_000), jitter=st.floats(0, 1, exclude_max=True))
def test_rests_grow_and_are_bounded(attempts: int, jitter: float) -> None:
    """However often it failed, the next try comes within two minutes, never at once."""
    assert 500 <= rest_ms(attempts, jitter) <= LONGEST_MS
    assert rest_ms(attempts + 1, 0) >= rest_ms(attempts, 0)
