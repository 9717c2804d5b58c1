"""Waiting for a condition instead of for a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
POLL_SECONDS = 0.05


def eventually(condition: Callable[[], T], *, within: float, poll: float = POLL_SECONDS) -> T:
    """Give the condition's first truthy answer; fail if none comes `within` seconds.

    A condition that raises `AssertionError` is not met yet; the last such error is shown.
    """
    deadline = time.monotonic() + within
    while True:
        answer, failure = _ask(condition)
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(_unmet(condition, within, answer)) from failure
        time.sleep(poll)


async def eventually_async(
    condition: Callable[[], Awaitable[T]], *, within: float, poll: float = POLL_SECONDS
) -> T:
    """Do as `eventually` does, with a condition that is awaited."""
    deadline = time.monotonic() + within
    while True:
        failure: AssertionError | None = None
        answer: T | None = None
        try:
            answer = await condition()
        except AssertionError as error:
            failure = error
        if answer:
            return answer
        if time.monotonic() >= deadline:
            raise AssertionError(_unmet(condition, within, answer)) from failure
        await asyncio.sleep(poll)


def _ask(condition: Callable[[], T]) -> tuple[T | None, AssertionError | None]:
    try:
        return condition(), None
    except AssertionError as error:
        return None, error


def _unmet(condition: object, within: float, answer: object) -> str:
    name = getattr(condition, "__qualname__", repr(condition))
    return f"{name} was not met within {within} s; its last answer was {answer!r}"
