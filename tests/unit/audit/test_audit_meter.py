"""The meter's rounds when a server fails."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from pybit.exceptions import FailedRequestError

from cryptostream.audit.compare import Result, Tally
from cryptostream.audit.errors import UnreachableError, classify
from cryptostream.audit.meter import MAX_FAILURES, Meter
from cryptostream.audit.model import MINUTE_MS, Bar
from cryptostream.audit.settings import AuditSettings
from cryptostream.contracts.errors import ContractError, Failure

if TYPE_CHECKING:
    from collections.abc import Sequence

START = 1_795_000_020_000 // MINUTE_MS * MINUTE_MS
BAR = Bar(1.0, 1.0, 1.0, 1.0, 2.0, 2.0)


class Stored:
    """Candles of ours: one like the exchange's for each minute asked for."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)
        self.written: list[tuple[int, str, Tally]] = []

    def require_template(self) -> None:
        """Fail as often as the test asked for."""
        if self.failures:
            raise self.failures.pop(0)

    def busiest(self, _now: int, _count: int) -> list[str]:
        """Give one known symbol and one that trades no more."""
        return ["S7", "GONE"]

    def read(self, symbols: Sequence[str], first: int, end: int) -> dict[tuple[str, int], Bar]:
        """Give a candle for each minute."""
        return {(name, at): BAR for name in symbols for at in range(first, end, MINUTE_MS)}

    def write(self, start: int, group: str, tally: Tally, _measured: int) -> None:
        """Keep what was found."""
        self.written.append((start, group, tally))


class Market:
    """An exchange of ten symbols that refuses while it is `busy`."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.busy = False

    def symbols(self, _quote: str) -> list[str]:
        """Give the symbols."""
        return [f"S{number}" for number in range(10)]

    def minutes(self, symbol: str, first: int, end: int) -> dict[int, Bar]:
        """Give a bar for each minute, or the exchange's answer to too many visits."""
        self.asked.append(symbol)
        if self.busy:
            raise FailedRequestError("GET", "access too frequent", 403, "", {})
        return dict.fromkeys(range(first, end, MINUTE_MS), BAR)


def a_meter(stored: Stored, market: Market, clock: list[int], **settings: Any) -> Meter:
    """Make a meter over fakes."""
    made = AuditSettings(settle_seconds=0, **settings)
    return Meter(made, stored, market, clock_ms=lambda: clock[0])  # type: ignore[arg-type]


def test_the_busiest_symbols_are_chosen_and_quiet_ones_fill_up() -> None:
    """What trades no more is left out; the number is bounded."""
    market, clock = Market(), [START]
    meter = a_meter(Stored(), market, clock, top=3)
    clock[0] += MINUTE_MS
    meter.round(Event())
    assert market.asked == ["S0", "S1", "S7"]


def test_a_busy_exchange_is_left_alone_and_nothing_is_skipped() -> None:
    """After a few refusals the round ends; the minutes are compared when it answers again."""
    market, clock, stored = Market(), [START], Stored()
    meter = a_meter(stored, market, clock)
    market.busy = True
    clock[0] += MINUTE_MS
    assert meter.round(Event()) == {}
    assert len(market.asked) == MAX_FAILURES
    market.busy = False
    clock[0] += MINUTE_MS
    tallies = meter.round(Event())
    assert sorted(tallies) == [START, START + MINUTE_MS]
    assert {tally.results[Result.MATCH] for tally in tallies.values()} == {10}
    assert {group for _, group, _ in stored.written} == {"1/1"}


def test_a_stop_ends_a_round_between_two_requests() -> None:
    """SIGTERM waits for one request at most."""
    market, clock, stop = Market(), [START], Event()
    meter = a_meter(Stored(), market, clock)
    clock[0] += MINUTE_MS
    stop.set()
    assert meter.round(stop) == {}
    assert market.asked == []


class OneRound(Event):
    """Is set after its first wait."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait no time at all."""
        assert timeout is not None
        assert 0 < timeout <= 60
        self.set()
        return True


def test_a_transient_failure_costs_a_round_and_a_fatal_one_ends_the_meter() -> None:
    """What another try may mend is logged; what nobody foresaw is not hidden."""
    clock = [START + 1]
    a_meter(Stored(UnreachableError("away")), Market(), clock).run(OneRound())
    with pytest.raises(ZeroDivisionError):
        a_meter(Stored(ZeroDivisionError()), Market(), clock).run(OneRound())


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (UnreachableError("x"), Failure.TRANSIENT),
        (ContractError("bad_kline", "x"), Failure.POISON),
        (FailedRequestError("GET", "x", 403, "", {}), Failure.TRANSIENT),
        (ConnectionResetError(), Failure.TRANSIENT),
        (KeyError("x"), Failure.FATAL),
    ],
)
def test_failures_are_told_apart(error: Exception, failure: Failure) -> None:
    """One place decides what is worth another try."""
    assert classify(error) is failure
