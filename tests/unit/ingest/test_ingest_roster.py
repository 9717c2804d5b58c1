"""Rosters: numbered by hand, or held together by leases."""

from __future__ import annotations

import asyncio
import contextlib
from random import Random
from typing import TYPE_CHECKING

import pytest
from support.eventually import eventually_async
from support.leases import Api, View

from cryptostream.contracts.errors import Failure, SettingsError
from cryptostream.ingest.roster import START_SECONDS, LeaseRoster, Roster, StaticRoster
from cryptostream.ingest.sharding import Shard

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Clock:
    """Monotonic seconds that jump at each look."""

    def __init__(self, step: float = 1.0) -> None:
        self.now = 0.0
        self.step = step

    def __call__(self) -> float:
        """Give the time, and let some pass."""
        self.now += self.step
        return self.now


def roster(api: Api, me: str = "a", step: float = 1.0) -> LeaseRoster:
    """Make a roster whose clock runs fast."""
    return LeaseRoster(View(api, me), me, Random(1), clock=Clock(step))


@contextlib.asynccontextmanager
async def running(*rosters: Roster) -> AsyncIterator[None]:
    """Run rosters."""
    tasks = [asyncio.create_task(each.run()) for each in rosters]
    try:
        yield
        assert not any(task.done() for task in tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def test_numbered_instances_know_each_other_from_the_start() -> None:
    """All shards are members, whether they run or not, and nothing is weighed."""
    static = StaticRoster(Shard(1, 3))
    assert static.me == "static-1/3"
    assert static.members() == ("static-0/3", "static-1/3", "static-2/3")
    assert static.changed.is_set()
    static.propose({"BTC": 2.0})
    assert static.weights() == {}
    await static.close()


async def test_instances_find_each_other_and_leave() -> None:
    """A change is told once members are known; a close hands over without an expiry."""
    api = Api()
    a, b = roster(api, "a"), roster(api, "b")
    async with running(b):
        await asyncio.wait_for(b.changed.wait(), 30)
        async with running(a):

            async def both() -> bool:
                return a.members() == b.members() == ("a", "b")

            await eventually_async(both, within=30)
            a.propose({"BTC": 4.0})

            async def weighed() -> bool:
                return b.weights() == {"BTC": 4.0}

            await eventually_async(weighed, within=30)
        b.changed.clear()
        await a.close()
        await asyncio.wait_for(b.changed.wait(), 30)
        assert b.members() == ("b",)
        assert set(api.leases) == {"lease-b"}


async def test_without_an_answer_we_start_alone() -> None:
    """An API server that is down does not keep us from reading."""
    api = Api(cut_off={"a"})
    alone = roster(api, step=START_SECONDS)
    async with running(alone):
        await asyncio.wait_for(alone.changed.wait(), 30)
        assert alone.members() == ("a",)


async def test_a_refusal_at_the_start_names_its_remedy() -> None:
    """A role without the verbs ends the process with one clear line."""
    api = Api(cut_off={"a"}, failure=Failure.FATAL)
    with pytest.raises(SettingsError, match="get, list, create, update and delete"):
        await asyncio.wait_for(roster(api, step=START_SECONDS).run(), 30)


async def test_a_refusal_later_on_stops_nothing() -> None:
    """A role that is taken away while we run leaves us what we knew."""
    api = Api()
    kept = roster(api, step=5.0)
    async with running(kept):
        await asyncio.wait_for(kept.changed.wait(), 30)
        api.failure = Failure.FATAL
        api.cut_off = {"a"}
        before = len(api.calls)

        async def has_failed_for_long() -> bool:
            return len(api.calls) > before + 6

        await eventually_async(has_failed_for_long, within=30)
        assert kept.members() == ("a",)


async def test_a_close_that_fails_is_no_failure() -> None:
    """The lease then expires by itself."""
    await roster(Api(cut_off={"a"})).close()
