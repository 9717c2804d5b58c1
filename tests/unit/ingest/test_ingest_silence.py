"""Silence of single symbols: found in time where they are busy, never alarmed where quiet."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from cryptostream.ingest.silence import SilenceLimits, SilenceWatch

EAGER = SilenceLimits(known_seconds=60.0, known_frames=30)


class Market:
    """Symbols whose frames come at random, seen by a watch that looks each second."""

    def __init__(self, rates: dict[str, float], seed: int = 1) -> None:
        self.rates = dict(rates)
        self.watch = SilenceWatch(EAGER)
        self.watch.watch(rates, 0.0)
        self.now = 0.0
        self._rng = Random(seed)
        self._next = {symbol: self._wait(symbol) for symbol in rates}

    def _wait(self, symbol: str) -> float:
        return self._rng.expovariate(self.rates[symbol])

    def run(self, seconds: int, mute: frozenset[str] = frozenset()) -> list[tuple[str, float]]:
        """Let time pass; give each alarm with its time."""
        found = []
        for _ in range(seconds):
            self.now += 1.0
            for symbol in self.rates:
                while self._next[symbol] < self.now:
                    self._next[symbol] += self._wait(symbol)
                    if symbol not in mute:
                        self.watch.heard(symbol)
            found += [(one.symbol, self.now) for one in self.watch.check(self.now)]
        return found


@pytest.mark.parametrize("rate", [1.0, 2.0, 5.0, 50.0])
@pytest.mark.parametrize("seed", range(5))
def test_a_busy_symbol_is_found_within_half_a_minute(rate: float, seed: int) -> None:
    """From one frame a second on, and not before 10 s."""
    market = Market({"A": rate, "B": 1.0}, seed)
    assert market.run(3600) == []
    start = market.now
    found = market.run(35, frozenset({"A"}))
    assert {symbol for symbol, _ in found} == {"A"}
    assert 10.0 < found[0][1] - start <= 30.0


def test_quiet_symbols_never_alarm() -> None:
    """One frame a minute or less tells nothing by its absence."""
    market = Market({"A": 1 / 60, "B": 1 / 600, "C": 0.2})
    assert market.run(4 * 3600) == []
    assert market.run(3600, frozenset("ABC")) == []


def test_a_day_of_ordinary_trading_raises_no_alarm() -> None:
    """Ten symbols from one frame in five seconds to ten a second, for six hours."""
    market = Market({f"S{n}": 0.2 * 1.5**n for n in range(10)})
    assert market.run(6 * 3600) == []


def test_a_market_that_calms_down_is_believed() -> None:
    """A rate that falls to a fifth within minutes is no silence."""
    market = Market({"A": 5.0})
    market.run(1800)
    for rate in (4.0, 3.0, 2.0, 1.0):
        market.rates["A"] = rate
        assert market.run(120) == []


def test_a_silence_that_lasts_is_told_ever_more_rarely() -> None:
    """A halted symbol costs a handful of subscriptions an hour, no storm."""
    market = Market({"A": 5.0, "B": 5.0})
    market.run(600)
    start = market.now
    times = [at - start for _, at in market.run(3600, frozenset("A"))]
    assert 6 <= len(times) <= 10
    pauses = [later - sooner for sooner, later in pairwise(times)]
    assert pauses == sorted(pauses)
    assert market.watch.silent == 1
    assert market.run(60) == []
    assert market.watch.silent == 0


def test_several_silent_symbols_accuse_the_connection_once() -> None:
    """One does not; three do, and not again at once."""
    market = Market(dict.fromkeys("ABCDEFGH", 5.0))
    market.run(600)
    market.run(15, frozenset("A"))
    assert not market.watch.accuses_connection(market.now)
    market.run(15, frozenset("ABC"))
    assert market.watch.accuses_connection(market.now)
    assert not market.watch.accuses_connection(market.now)


def test_what_was_given_up_or_lost_is_not_missed() -> None:
    """No alarm without a subscription, and a new one starts with a clean slate."""
    market = Market({"A": 5.0, "B": 5.0})
    market.run(600)
    market.watch.forget(["A"])
    market.watch.pause()
    assert market.run(60, frozenset("AB")) == []
    market.watch.watch(["B"], market.now)
    assert market.run(9, frozenset("AB")) == []
    assert {symbol for symbol, _ in market.run(15, frozenset("AB"))} == {"B"}


def test_a_symbol_is_judged_only_once_it_is_known() -> None:
    """A first burst is no usual rate."""
    market = Market({"A": 20.0})
    market.run(10)
    assert market.run(600, frozenset("A")) == []
