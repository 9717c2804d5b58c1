"""Telegram's limits of sending, kept before Telegram has to say so. Pure.

About 30 messages a second in all, one a second in a chat, 20 a minute in a group
(https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this). What Telegram
asks for beyond them, by 429 and `retry_after`, is a block; two chats blocked at once mean that it
is about the bot as a whole.
"""

from __future__ import annotations

from collections import deque
from typing import Final

ALL_PER_SECOND: Final = 25
CHAT_GAP_MS: Final = 1_050
GROUP_PER_MINUTE: Final = 19
#: Two clocks never agree to the millisecond; windows are a little longer than promised.
SECOND_MS: Final = 1_050
MINUTE_MS: Final = 61_000
MAX_CHATS: Final = 10_000


def is_group(chat: str) -> bool:
    """Tell a group, supergroup or channel from a person: their ids are negative."""
    return chat.startswith("-")


class Limits:
    """When the next message may go to a chat; remembers a minute at most."""

    def __init__(self) -> None:
        self._all: deque[int] = deque(maxlen=ALL_PER_SECOND)
        self._chats: dict[str, deque[int]] = {}
        self._blocks: dict[str, int] = {}

    def next_ms(self, chat: str, now_ms: int) -> int:
        """Give the earliest time at which a message may go to the chat; `now_ms` if at once."""
        times = [now_ms, self._blocks.get(chat, 0), self._blocked_all(now_ms)]
        if len(self._all) == ALL_PER_SECOND:
            times.append(self._all[0] + SECOND_MS)
        sent = self._chats.get(chat)
        if sent:
            times.append(sent[-1] + CHAT_GAP_MS)
            if is_group(chat) and len(sent) == GROUP_PER_MINUTE:
                times.append(sent[0] + MINUTE_MS)
        return max(times)

    def note(self, chat: str, now_ms: int) -> None:
        """Count a message that goes out now, or went out before a restart."""
        self._all.append(now_ms)
        self._chats.setdefault(chat, deque(maxlen=GROUP_PER_MINUTE)).append(now_ms)
        if len(self._chats) > MAX_CHATS:
            self._forget(now_ms)

    def block(self, chat: str, until_ms: int) -> None:
        """Obey a `retry_after`."""
        self._blocks[chat] = max(until_ms, self._blocks.get(chat, 0))

    def _blocked_all(self, now_ms: int) -> int:
        live = [until for until in self._blocks.values() if until > now_ms]
        if len(live) < len(self._blocks):
            self._blocks = {chat: at for chat, at in self._blocks.items() if at > now_ms}
        return max(live) if len(live) > 1 else 0

    def _forget(self, now_ms: int) -> None:
        self._chats = {
            chat: sent for chat, sent in self._chats.items() if sent[-1] > now_ms - MINUTE_MS
        }
