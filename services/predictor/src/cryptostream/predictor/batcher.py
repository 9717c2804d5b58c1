"""Score calls one after another on one thread; calls that wait together are scored together.

A forest's cost per call is high and per row low, so 64 waiting calls of 100 rows are one call of
6,400. Nothing waits for company: an idle thread takes a call at once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from cryptostream.predictor.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cryptostream.predictor.pointer import Served
    from cryptostream.predictor.scorer import Probabilities, Rows

#: Bodies scored in one go; beyond it a small call waits for large ones, and nothing is gained.
MAX_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """The probabilities of one call's rows and the one model that gave them all."""

    served: Served
    p_up: Probabilities


@dataclass(frozen=True, slots=True)
class Call:
    """A body, how to read it, and where its answer goes."""

    body: bytes
    read: Callable[[bytes], Rows]
    future: asyncio.Future[Answer | InputError]


class Batcher:
    """Takes calls from the event loop; reading and scoring happen on its one thread.

    Args:
        watch: called once for all calls that are scored together.
    """

    def __init__(self, watch: Callable[[Served, Rows], None]) -> None:
        self._watch = watch
        self._waiting: deque[tuple[Served, Call]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="score")

    async def score(
        self, served: Served, body: bytes, read: Callable[[bytes], Rows]
    ) -> Answer | InputError:
        """Give the answer to a body, or the `InputError` that `read` raises.

        It is given, not raised: through its traceback it would keep the body and itself alive
        until the collector comes, which for a few large bodies isn't soon.
        """
        future: asyncio.Future[Answer | InputError] = asyncio.get_running_loop().create_future()
        self._waiting.append((served, Call(body, read, future)))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._work())
        return await future

    def close(self) -> None:
        """Let the thread end with the calls under way."""
        self._thread.shutdown(wait=True)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            served, calls = self._take()
            answers: Sequence[Answer | Exception]
            try:
                answers = await loop.run_in_executor(self._thread, self._score, served, calls)
            except Exception as error:  # noqa: BLE001 - each waiting call must hear of it
                answers = [error] * len(calls)
            for call, answer in zip(calls, answers, strict=True):
                if call.future.done():  # its sender has gone
                    continue
                if isinstance(answer, (Answer, InputError)):
                    call.future.set_result(answer)
                else:
                    call.future.set_exception(answer)

    def _take(self) -> tuple[Served, list[Call]]:
        """Take the calls at the head that want one and the same model."""
        served, size = self._waiting[0][0], 0
        calls: list[Call] = []
        while self._waiting and self._waiting[0][0] is served:
            size += len(self._waiting[0][1].body)
            if calls and size > MAX_BYTES:
                break
            calls.append(self._waiting.popleft()[1])
        return served, calls

    def _score(self, served: Served, calls: Sequence[Call]) -> list[Answer | Exception]:
        tables = [_read(call) for call in calls]
        good = [table for table in tables if not isinstance(table, Exception)]
        p_up = np.empty(0)
        if good:
            rows = good[0] if len(good) == 1 else np.concatenate(good)
            p_up = served.p_up(rows)
            self._watch(served, rows)
        answers: list[Answer | Exception] = []
        at = 0
        for table in tables:
            if isinstance(table, Exception):
                answers.append(table)
            else:
                answers.append(Answer(served, p_up[at : at + len(table)]))
                at += len(table)
        return answers


def _read(call: Call) -> Rows | Exception:
    try:
        return call.read(call.body)
    except InputError as error:
        return InputError(str(error))
    except Exception as error:  # noqa: BLE001 - its neighbours must not hear of it, whatever it is
        return error
