"""Calls that wait together are scored together, and each gets its own answer."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from cryptostream.predictor.batcher import MAX_BYTES, Batcher
from cryptostream.predictor.errors import InputError
from cryptostream.predictor.pointer import Pointer, Served

if TYPE_CHECKING:
    from cryptostream.predictor.scorer import Probabilities, Rows


class Model:
    """Answers each row's first feature; waits for `go` and keeps the sizes of its calls."""

    def __init__(self, name: str = "one") -> None:
        self.sizes: list[int] = []
        self.go = threading.Event()
        self.served = Served(Pointer(name, ""), no_edge=True, p_up=self.score)

    def score(self, rows: Rows) -> Probabilities:
        """Score as slowly as the test wants."""
        assert self.go.wait(5)
        self.sizes.append(len(rows))
        return rows[:, 0].astype(np.float64)


def read(body: bytes) -> Rows:
    """Read rows of one feature; an odd body is refused, and one is too much."""
    if body == b"!":
        raise KeyError
    if len(body) % 4:
        raise InputError("odd")
    return np.frombuffer(body, "<f4").reshape(-1, 1)


def content(*values: float) -> bytes:
    """Write rows of one feature."""
    return np.array(values, "<f4").tobytes()


async def gathered(batcher: Batcher, *calls: tuple[Model, bytes]) -> list[Any]:
    """Ask all at once; the model may answer as soon as all wait."""
    tasks = [asyncio.create_task(batcher.score(model.served, body, read)) for model, body in calls]
    await asyncio.sleep(0)
    for model, _ in calls:
        model.go.set()
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_waiting_calls_are_scored_in_one_go() -> None:
    """Calls that came while the thread was busy make one call of the model, in order."""
    model, batcher = Model(), Batcher(lambda *_: None)
    answers = await gathered(batcher, *((model, content(at, at)) for at in range(5)))
    assert [answer.p_up.tolist() for answer in answers] == [[at, at] for at in range(5)]
    assert sum(model.sizes) == 10
    assert len(model.sizes) <= 2
    batcher.close()


@pytest.mark.parametrize(("body", "error"), [(b"x", InputError), (b"!", KeyError)])
async def test_a_bad_body_fails_alone(body: bytes, error: type[Exception]) -> None:
    """A refusal, or a fault of reading, reaches its own sender; its neighbours get their scores."""
    model, batcher = Model(), Batcher(lambda *_: None)
    one, bad, two = await gathered(batcher, (model, content(1)), (model, body), (model, content(2)))
    assert isinstance(bad, error)
    assert [one.p_up.tolist(), two.p_up.tolist()] == [[1.0], [2.0]]
    batcher.close()


async def test_models_are_never_mixed() -> None:
    """Calls under way across a swap are each answered by the model they came for."""
    old, new, batcher = Model("old"), Model("new"), Batcher(lambda *_: None)
    calls = ((old, content(1)), (old, content(2)), (new, content(3)), (old, content(4)))
    answers = await gathered(batcher, *calls)
    tags = [answer.served.pointer.tag for answer in answers]
    assert tags == ["old", "old", "new", "old"]
    batcher.close()


async def test_a_failing_model_is_told_to_each_caller_and_the_next_call_works() -> None:
    """An error of the model reaches all who waited; the batcher goes on."""
    batcher = Batcher(lambda *_: None)

    def fail(_rows: Rows) -> Probabilities:
        raise MemoryError

    broken = Served(Pointer("broken", ""), no_edge=True, p_up=fail)
    with pytest.raises(MemoryError):
        await batcher.score(broken, content(1), read)
    model = Model()
    model.go.set()
    assert (await batcher.score(model.served, content(7), read)).p_up.tolist() == [7.0]
    batcher.close()


async def test_a_batch_is_bounded() -> None:
    """Large bodies aren't piled up into one larger one."""
    model, batcher = Model(), Batcher(lambda *_: None)
    rows = MAX_BYTES // 4 * 3 // 4
    body = np.zeros(rows, "<f4").tobytes()
    await gathered(batcher, *[(model, body)] * 3)
    assert model.sizes == [rows] * 3
    batcher.close()


async def test_a_sender_that_left_disturbs_nobody() -> None:
    """A cancelled call's answer is dropped; the others get theirs."""
    model, batcher = Model(), Batcher(lambda *_: None)
    left = asyncio.create_task(batcher.score(model.served, content(1), read))
    stays = asyncio.create_task(batcher.score(model.served, content(2), read))
    await asyncio.sleep(0)
    left.cancel()
    model.go.set()
    assert (await stays).p_up.tolist() == [2.0]
    batcher.close()
