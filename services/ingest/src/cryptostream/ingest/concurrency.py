"""Run things side by side until the first one ends, and wait for what tells nobody."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

POLL_SECONDS: Final = 0.1


async def first_of(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run the coroutines until one returns or raises; cancel the others, raise what it raised."""
    tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


async def until(condition: Callable[[], bool], *, within: float) -> bool:
    """Look until the condition holds, at most `within` seconds; tell whether it does."""
    try:
        async with asyncio.timeout(within):
            while not condition():  # noqa: ASYNC110 - it comes from other tasks' state
                await asyncio.sleep(POLL_SECONDS)
    except TimeoutError:
        return False
    return True
