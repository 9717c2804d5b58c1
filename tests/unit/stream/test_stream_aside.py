"""Calls that run beside their caller."""

from __future__ import annotations

import subprocess
import sys
from threading import Barrier, Event

import pytest

from cryptostream.stream.aside import Aside

#: The interpreter waits for threads that are not daemons; this one never ends.
_HANGING = "from threading import Event\nfrom cryptostream.stream.aside import Aside\n"
_HANGING += "Aside(1).submit(Event().wait)\n"


def test_calls_give_and_raise_through_their_futures() -> None:
    """What a call gives or raises is its own future's, and the thread goes on."""
    aside = Aside(1)
    refused = aside.submit(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        refused.result(10)
    assert aside.submit(lambda: 7).result(10) == 7


def test_as_many_run_at_a_time_as_it_is_wide() -> None:
    """Two calls meet; the third waits for one of them, and may be called off till then."""
    aside, met, done = Aside(2), Barrier(3), Event()

    def call() -> bool:
        met.wait(10)
        return done.wait(10)

    running = [aside.submit(call) for _ in range(2)]
    third = aside.submit(lambda: pytest.fail("it was called off"))
    met.wait(10)
    assert third.cancel()
    done.set()
    assert [one.result(10) for one in running] == [True, True]


def test_a_call_that_never_ends_does_not_hold_the_process() -> None:
    """A stop may not wait for a server that is away."""
    subprocess.run([sys.executable, "-c", _HANGING], check=True, timeout=30)
