"""One question for all viewers: an answer is kept for a moment, and asked for once at a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Hashable

MAX_ENTRIES: Final = 200


class _Entry(NamedTuple):
    answer: asyncio.Task[Any]
    until: float


class Shared:
    """A small cache of running and recent questions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._entries: dict[Hashable, _Entry] = {}

    def get(
        self, key: Hashable, seconds: float, ask: Callable[[], Coroutine[Any, Any, Any]]
    ) -> Awaitable[Any]:
        """Give the answer to `key`, at most `seconds` old; a failure is not kept.

        A caller that goes away doesn't take the answer from the others.
        """
        entry = self._entries.get(key)
        if entry is None or self._clock() >= entry.until or _failed(entry.answer):
            self._entries.pop(key, None)
            self._forget()
            entry = _Entry(asyncio.ensure_future(ask()), self._clock() + seconds)
            self._entries[key] = entry
        return asyncio.shield(entry.answer)

    def _forget(self) -> None:
        now = self._clock()
        self._entries = {key: one for key, one in self._entries.items() if now < one.until}
        while len(self._entries) >= MAX_ENTRIES:
            self._entries.pop(next(iter(self._entries)))


def _failed(answer: asyncio.Task[Any]) -> bool:
    return answer.done() and (answer.cancelled() or answer.exception() is not None)
