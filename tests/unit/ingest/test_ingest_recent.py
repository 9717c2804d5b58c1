"""Fetching recent trades: errors are classified, retries bounded, refusals respected."""

from __future__ import annotations

import asyncio
from random import Random

import pytest
import requests
from pybit.exceptions import FailedRequestError, InvalidRequestError
from support.eventually import eventually_async

from cryptostream.contracts.errors import ContractError
from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.recent import ATTEMPTS, FORBIDDEN_SECONDS, Recent


class Answers(Recent):
    """Gives what the test says instead of asking an exchange."""

    def __init__(self, *answers: object, members: int = 1) -> None:
        self.now = 0.0
        super().__init__(
            "http://127.0.0.1:1",
            "spot",
            Backoff(Random(1), base=0.0, cap=0.0),
            members=lambda: members,
            clock=lambda: self.now,
        )
        self._answers = iter(answers)

    def _get(self, _: str) -> list[object]:
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return [answer]


def failed(status: int) -> FailedRequestError:
    """Give pybit's error for an HTTP status."""
    return FailedRequestError("GET", "no", status, "now", None)


def refused(code: int) -> InvalidRequestError:
    """Give pybit's error for a retCode."""
    return InvalidRequestError("GET", "no", code, "now", None)


@pytest.fixture(autouse=True)
def quick_naps(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Note the waits instead of waiting."""
    naps: list[float] = []
    nap = asyncio.sleep

    async def note(seconds: float) -> None:
        naps.append(seconds)
        await nap(0)

    monkeypatch.setattr("cryptostream.ingest.recent.asyncio.sleep", note)
    return naps


async def test_a_transient_failure_is_tried_again() -> None:
    """A time-out and a 502 pass."""
    recent = Answers(requests.exceptions.ReadTimeout(), failed(502), "row")
    assert await recent.fetch("XUSDT") == ["row"]
    assert recent.requests == ATTEMPTS == 3


async def test_retries_are_bounded() -> None:
    """An exchange that is down gives None, not an endless series."""
    recent = Answers(*[failed(500)] * 9)
    assert await recent.fetch("XUSDT") is None
    assert recent.requests == ATTEMPTS


@pytest.mark.parametrize("error", [refused(10001), ContractError("bad_recent_trades", "no list")])
async def test_a_poisonous_answer_is_not_asked_for_again(error: Exception) -> None:
    """A delisted symbol, or an answer that breaks its contract."""
    recent = Answers(error, "row")
    assert await recent.fetch("XUSDT") is None
    assert recent.requests == 1


async def test_a_forbidden_address_asks_no_more() -> None:
    """For the ten minutes that the exchange's refusal lasts."""
    recent = Answers(failed(403), "row")
    assert await recent.fetch("XUSDT") is None
    recent.now += FORBIDDEN_SECONDS - 30.0
    assert await recent.fetch("XUSDT") is None
    assert recent.requests == 1
    recent.now += 31.0
    assert await recent.fetch("XUSDT") == ["row"]


async def test_too_many_visits_wait_for_the_next_window(quick_naps: list[float]) -> None:
    """Code 10006 closes the budget for a window; pybit's own hidden sleep has no part in it."""
    recent = Answers(refused(10006), "row")
    waiting = asyncio.create_task(recent.fetch("XUSDT"))

    async def waits() -> bool:
        return 5.0 in quick_naps

    await eventually_async(waits, within=10.0)
    recent.now += 5.0
    assert await waiting == ["row"]


async def test_members_share_one_budget() -> None:
    """A burst of a tenth of the instances is a tenth of the burst."""
    recent = Answers(*["row"] * 100, members=10)
    sent = [asyncio.create_task(recent.fetch("XUSDT")) for _ in range(20)]
    for _ in range(50):
        await asyncio.sleep(0.0)
    await asyncio.wait(sent, timeout=0.2)
    assert recent.requests == 6
    for task in sent:
        task.cancel()


async def test_what_nobody_foresaw_is_raised() -> None:
    """A fault of ours is not taken for one of the exchange."""
    with pytest.raises(ZeroDivisionError):
        await Answers(ZeroDivisionError()).fetch("XUSDT")
