"""Calls that run beside their caller."""

from __future__ import annotations

from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    Call = tuple[Future[Any], Callable[[], Any]]

T = TypeVar("T")


class Aside:
    """Runs calls in `width` daemon threads, first come, first served.

    Not a `ThreadPoolExecutor`: at its end the interpreter waits for those threads, and so a stop
    would wait for a server that is away.
    """

    def __init__(self, width: int) -> None:
        self._calls: SimpleQueue[Call] = SimpleQueue()
        for _ in range(width):
            Thread(target=self._work, daemon=True).start()

    def submit(self, call: Callable[[], T]) -> Future[T]:
        """Have the call made soon; what it gives or raises is the future's."""
        future: Future[T] = Future()
        self._calls.put((future, call))
        return future

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # noqa: BLE001 - whoever waits for it decides
                future.set_exception(error)
            # Else the last batch's documents would live until the next one's.
            del future, call
