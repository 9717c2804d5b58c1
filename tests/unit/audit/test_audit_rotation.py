"""The symbols' turns."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.audit.model import MINUTE_MS
from cryptostream.audit.rotation import MAX_MINUTES, Rotation

START = 1_795_000_020_000 // MINUTE_MS * MINUTE_MS


@settings(deadline=None)
@given(
    symbols=st.integers(1, 30),
    per_round=st.integers(1, 20),
    offset=st.integers(0, MINUTE_MS - 1),
    failing=st.sets(st.integers(0, 20)),
)
def test_every_minute_of_every_symbol_is_compared_once(
    symbols: int, per_round: int, offset: int, failing: set[int]
) -> None:
    """Rounds keep to their budget, and what failed in one comes again in the next cycle."""
    names = [f"S{number}" for number in range(symbols)]
    rotation = Rotation(per_round, START - offset + MINUTE_MS)
    compared: Counter[tuple[str, int]] = Counter()
    for number in range(1, 50):
        closed = START + number * MINUTE_MS
        if rotation.is_over:
            rotation.deal(names, closed)
        _, turns = rotation.take(closed)
        assert len(turns) <= per_round
        for turn in turns if number not in failing else []:
            compared.update((turn.symbol, at) for at in range(turn.first, turn.end, MINUTE_MS))
            rotation.done(turn)
    assert set(compared.values()) <= {1}
    assert rotation.skipped == 0
    for name in names:
        minutes = sorted(at for symbol, at in compared if symbol == name)
        steps = range(minutes[0], minutes[-1] + 1, MINUTE_MS) if minutes else range(0)
        assert minutes == list(steps)
        assert not minutes or minutes[0] == START + MINUTE_MS


def test_minutes_before_the_start_are_none_of_ours() -> None:
    """A meter that starts within a minute does not judge it: the pipeline may have started too."""
    rotation = Rotation(10, START + 1)
    rotation.deal(["AUSDT"], START)
    assert rotation.take(START + MINUTE_MS) == ("1/1", [])


def test_a_symbol_that_comes_later_is_compared_from_then_on() -> None:
    """A newly listed symbol has no past."""
    rotation = Rotation(10, START)
    rotation.deal(["AUSDT"], START)
    rotation.take(START)
    rotation.deal(["AUSDT", "BUSDT"], START + 5 * MINUTE_MS)
    _, turns = rotation.take(START + 6 * MINUTE_MS)
    assert [(turn.first - START) // MINUTE_MS for turn in turns] == [0, 5]


def test_a_long_interruption_is_cut_and_counted() -> None:
    """A turn stays within what one search gives; what is left out is told."""
    rotation = Rotation(10, START)
    rotation.deal(["AUSDT"], START)
    _, (turn,) = rotation.take(START + (MAX_MINUTES + 7) * MINUTE_MS)
    assert turn.end - turn.first == MAX_MINUTES * MINUTE_MS
    assert rotation.skipped == 7
