"""Stitching: what REST's newest trades prove of a gap, and which of them were missed."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.ingest_trades import NOW, live

from cryptostream.contracts.errors import ContractError
from cryptostream.ingest.gaps import GapLedger
from cryptostream.ingest.parse import Source
from cryptostream.ingest.spans import without
from cryptostream.ingest.stitch import LATE_MS, Ids, Row, read_rows, stitch, trades_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.contracts.messages import Gap

X = "XUSDT"
SOURCE = Source("bybit", "spot", "0/1")
SOON, LATER = NOW + 31, NOW + 30 + LATE_MS


def a_gap(start: int, end: int) -> Gap:
    """Give an ended gap of these times after `NOW`."""
    ledger = GapLedger("bybit", "spot", instance="pod-1", shard="0/1")
    ledger.dropped(X, NOW + start, NOW + end, "closed")
    return ledger.due(NOW + end)[0]


def rows(*numbers_and_times: tuple[int, int]) -> list[Row]:
    """Give rows of (id, time after `NOW`), which are listed oldest first, as REST lists them."""
    return [
        Row(str(number), X, "1.5", "2", "Sell", NOW + time, seq=number)
        for number, time in reversed(numbers_and_times)
    ]


def ids(before: Sequence[int], after: Sequence[int]) -> Ids:
    """Give what we had before and after."""
    texts = {str(number) for number in before}, {str(number) for number in after}
    return Ids(*texts, texts[0] | texts[1])


def test_rows_that_overlap_both_ends_repair_the_gap() -> None:
    """What lies between them and we never had was missed, oldest first."""
    found = rows((1, 0), (2, 10), (3, 20), (4, 20), (5, 31))
    result = stitch(a_gap(5, 30), ids([1], [5]), found, asked_ms=SOON)
    assert (result.state, result.repaired_from) == ("repaired", NOW + 5)
    assert [row.execId for row in result.missed] == ["2", "3", "4"]


def test_rows_that_reach_back_to_a_part_repair_that_part() -> None:
    """Of the oldest row's own millisecond there may have been more."""
    result = stitch(a_gap(5, 30), ids([1], [5]), rows((3, 20), (5, 31)), asked_ms=SOON)
    assert (result.state, result.repaired_from) == ("partly_repaired", NOW + 21)
    assert [row.execId for row in result.missed] == ["3"]


def test_rows_from_after_the_gap_repair_nothing() -> None:
    """Sixty trades came since."""
    result = stitch(a_gap(5, 30), ids([1], [5, 6]), rows((5, 31), (6, 32)), asked_ms=SOON)
    assert (result.state, result.repaired_from, result.missed) == ("open", NOW + 30, ())


def test_no_rows_prove_nothing() -> None:
    """An empty answer is a doubtful one."""
    assert stitch(a_gap(5, 30), Ids(), [], asked_ms=LATER).state == "open"


def test_a_row_older_than_the_gap_proves_its_beginning() -> None:
    """Even if we know no trade from before, as after a start."""
    result = stitch(a_gap(5, 30), ids([], [5]), rows((1, 4), (2, 7), (5, 31)), asked_ms=SOON)
    assert (result.state, [row.execId for row in result.missed]) == ("repaired", ["2"])
    edge = stitch(a_gap(5, 30), ids([], [5]), rows((1, 5), (5, 31)), asked_ms=SOON)
    assert edge.state == "partly_repaired"


def test_an_end_without_trades_is_proved_only_after_a_while() -> None:
    """REST may not have told of the newest trades yet."""
    found = rows((1, 0), (2, 10))
    assert stitch(a_gap(5, 30), ids([1], []), found, asked_ms=SOON).state == "open"
    assert stitch(a_gap(5, 30), ids([1], []), found, asked_ms=LATER).state == "repaired"
    lagging = stitch(a_gap(5, 30), ids([1], [7]), found, asked_ms=LATER)
    assert (lagging.state, [row.execId for row in lagging.missed]) == ("open", ["2"])


def test_a_late_trade_among_received_ones_is_missed_too() -> None:
    """The exchange told of it late; its place is before a trade that came in."""
    found = rows((1, 0), (2, 3), (3, 5), (9, 40))
    result = stitch(a_gap(5, 30), ids([1, 3], [9]), found, asked_ms=SOON)
    assert [row.execId for row in result.missed] == ["2"]


def test_what_the_stream_should_have_brought_is_missed_too() -> None:
    """An exchange that grants before it sends leaves a hole after the grant."""
    found = rows((1, 0), (2, 900), (3, 1_500))
    result = stitch(a_gap(5, 30), ids([1], []), found, asked_ms=LATER)
    assert [row.execId for row in result.missed] == ["2"]


def test_a_row_becomes_a_stitched_trade() -> None:
    """Every field comes over, also the flags and the seq that REST sends as text."""
    answer = {
        "execId": "2290000001227213949",
        "symbol": X,
        "price": "82680.10",
        "size": "0.001185",
        "side": "Buy",
        "time": "1791457528951",
        "isBlockTrade": True,
        "isRPITrade": True,
        "seq": "115115351336",
    }
    (trade,) = trades_of(read_rows([answer]), SOURCE, NOW)
    assert (trade.trade_id, trade.price, trade.size) == (answer["execId"], "82680.10", "0.001185")
    assert (trade.side, trade.trade_time, trade.seq) == ("buy", 1791457528951, 115115351336)
    assert (trade.block_trade, trade.rpi, trade.origin) == (True, True, "stitched")
    assert (trade.exchange_time, trade.ingest_time, trade.shard) == (1791457528951, NOW, "0/1")


@pytest.mark.parametrize("answer", [None, {}, [{}], [1], [{"execId": 7}], "x"])
def test_a_wrong_answer_is_a_contract_error(answer: object) -> None:
    """Nothing else gets out."""
    with pytest.raises(ContractError):
        read_rows(answer)


@settings(max_examples=200, deadline=None)
@given(
    steps=st.lists(st.integers(0, 3), min_size=1, max_size=60),
    cut=st.tuples(st.integers(0, 60), st.integers(0, 60)),
    limit=st.integers(1, 30),
    later=st.integers(0, 60),
)
def test_repaired_is_never_claimed_of_a_gap_with_a_hole(
    steps: list[int], cut: tuple[int, int], limit: int, later: int
) -> None:
    """On a random ledger: what was received and what was fetched never double, nor lack any."""
    lost, back = sorted(cut)
    truth, time = [], 0
    for number, step in enumerate(steps):
        time += step
        truth.append((number, time))
    ledger = GapLedger("bybit", "spot", instance="pod-1", shard="0/1", margin_ms=0)
    ledger.subscribed([X], "a", NOW)
    had = [number for number, when in truth if when <= lost]
    ledger.received([live(X, n, NOW + t, seq=n) for n, t in truth if t <= lost], "a")
    ledger.lost([X], "a", NOW + lost, "closed")
    ledger.subscribed([X], "a", NOW + back)
    seen = [(n, t) for n, t in truth if t > back and t <= back + later]
    had += [number for number, _ in seen]
    ledger.received([live(X, n, NOW + t, seq=n) for n, t in seen], "a")
    (gap,) = ledger.due(NOW + back)
    fetched = rows(*[row for row in truth if row[1] <= back + later][-limit:])
    asked = gap.to_time + LATE_MS
    result = stitch(gap, Ids(*ledger.known(gap)), fetched, asked_ms=asked)
    new = [int(row.execId) for row in result.missed]
    assert not set(new) & set(had)
    assert new == sorted(set(new))
    complete = {number for number, when in truth if NOW + when >= result.repaired_from} & {
        number for number, when in truth if when <= back
    }
    if result.state in {"repaired", "partly_repaired"}:
        assert complete <= set(new) | set(had)
    if result.state == "repaired":
        assert {number for number, when in truth if when <= back} <= set(new) | set(had)


@given(
    span=st.tuples(st.integers(0, 30), st.integers(0, 30)),
    others=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6),
)
def test_intervals_are_subtracted_instant_by_instant(
    span: tuple[int, int], others: list[tuple[int, int]]
) -> None:
    """What is left is what lies in none of the others, in order and apart."""
    left = without(span, others)
    expected = set(range(*span)) - {i for other in others for i in range(*other)}
    assert {i for piece in left for i in range(*piece)} == expected
    assert all(first[1] <= second[0] for first, second in pairwise(left))
