"""What the views compute: instruments, filters, correlations, reliability, tables, sharing."""

from __future__ import annotations

import asyncio
import base64
import csv
import io
import statistics
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.board import matrix, past_queries, reliability, tables, view_queries
from cryptostream.board.auth import is_allowed
from cryptostream.board.instruments import read_key, resolve
from cryptostream.board.params import BadParameterError, TradeFilter, read_filter, read_range
from cryptostream.board.settings import BoardSettings
from cryptostream.board.shared import Shared
from cryptostream.contracts.mappings import PROPERTIES

NOW = 1_795_305_600_000


def test_a_bare_symbol_is_at_home_or_where_it_is_known() -> None:
    """Home wins; a symbol known elsewhere only is found there; an unknown one waits at home."""
    known = {"bybit:spot:A", "okx:spot:A", "okx:spot:B"}
    assert resolve("A", known) == "bybit:spot:A"
    assert resolve("B", known) == "okx:spot:B"
    assert resolve("C", known) == "bybit:spot:C"
    assert resolve("okx:spot:A", known) == "okx:spot:A"
    assert read_key("okx:spot:A").key == "okx:spot:A"


def test_filters_become_filters_of_elasticsearch() -> None:
    """Confidence looks at either side of even; `none` is a trade without a probability."""
    assert TradeFilter().filters() == []
    kept = read_filter({"side": "buy", "prediction": "up", "confidence": "70"})
    side, direction, sure = kept.filters()
    assert side == {"term": {"side": "buy"}}
    assert direction == {"term": {"prediction.direction": "up"}}
    assert [one["range"]["prediction.p_up"] for one in sure["bool"]["should"]] == [
        {"gte": 0.7},
        {"lte": 0.3},
    ]
    assert "must_not" in TradeFilter(prediction="none").filters()[0]["bool"]
    with pytest.raises(BadParameterError, match="side: must be one of buy, sell"):
        read_filter({"side": "long"})


@pytest.mark.parametrize(
    ("begin", "end"), [(NOW, NOW), (NOW, NOW - 1), (NOW, NOW + 10**10), (1, 2)]
)
def test_a_range_is_forward_bounded_and_in_milliseconds(begin: int, end: int) -> None:
    """Anything else is refused by name."""
    assert read_range({"from": str(NOW), "to": str(NOW + 1)}) == (NOW, NOW + 1)
    with pytest.raises(BadParameterError):
        read_range({"from": str(begin), "to": str(end)})


prices = st.lists(st.floats(1, 1e6), min_size=8, max_size=30)


@given(prices, prices)
def test_correlations_are_those_of_the_standard_library(
    ours: list[float], theirs: list[float]
) -> None:
    """Symmetric, within [-1, 1], and equal to an independent computation."""
    first, second = (
        {at * matrix.MINUTE_MS: price for at, price in enumerate(one)} for one in (ours, theirs)
    )
    got = matrix.matrix([first, second])
    assert got[0][1] == got[1][0]
    size = min(len(ours), len(theirs)) - 1
    moves = [list(matrix.returns(one).values())[:size] for one in (first, second)]
    try:
        wanted = statistics.correlation(*moves)
    except statistics.StatisticsError:
        return
    if got[0][1] is not None:
        assert got[0][1] == pytest.approx(wanted, abs=1e-6)


def test_a_minute_without_a_close_has_no_return() -> None:
    """A hole is not bridged, and few shared minutes say nothing."""
    assert list(matrix.returns({0: 1.0, 60_000: 2.0, 180_000: 4.0})) == [60_000]
    assert matrix.correlation({0: 1.0}, {0: 1.0}) is None


def test_an_order_is_answered_by_its_own_side_after_the_horizon() -> None:
    """Fills of one order count once; ties and late answers are dropped."""
    said = [
        reliability.Said(0, 100.0, "buy", 0.8),
        reliability.Said(0, 101.0, "buy", 0.9),  # the same order
        reliability.Said(5_000, 99.0, "sell", 0.3),
        reliability.Said(10_000, 102.0, "buy", 0.6),  # answers the first: higher
        reliability.Said(16_000, 98.0, "sell", None),  # answers the sell: lower
        reliability.Said(20_000, 102.0, "buy", 0.7),  # a tie with the one before
        reliability.Said(90_000, 110.0, "buy", 0.5),  # too late for an answer
    ]
    assert sorted(reliability.outcomes(said)) == [(0.3, False), (0.8, True)]


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=60))
def test_bins_hold_every_outcome_once(scored: list[tuple[float, bool]]) -> None:
    """Their counts add up, and each share lies in its interval."""
    found = reliability.bins(scored)
    assert sum(one.n for one in found) == len(scored)
    for one in found:
        assert one.low - 1e-9 <= one.came <= one.high + 1e-9


def test_every_field_asked_for_is_in_the_contract() -> None:
    """A renamed field fails here, not on the page."""
    asked: dict[Any, tuple[str, ...]] = {
        "rolling": view_queries.ROLLING_FIELDS, "alerts": view_queries.ALERT_FIELDS,
        "gaps": view_queries.GAP_FIELDS, "dead-letters": view_queries.DEAD_FIELDS,
        "scores": view_queries.SCORE_FIELDS, "models": view_queries.MODEL_FIELDS,
        "trades": past_queries.COLUMNS["trades"], "candles": past_queries.COLUMNS["candles"],
    }  # fmt: skip
    for kind, fields in asked.items():
        assert {name.split(".")[0] for name in fields} <= set(PROPERTIES[kind])


ROWS = [
    {"symbol": "A", "trade_id": "=1+1", "price": 3, "seq": 1, "prediction": {"p_up": 0.25}},
    {"symbol": "B", "price": 1e-9, "prediction": {"reason": "circuit_open", "no_edge": True}},
]
NAMES = ("symbol", "trade_id", "price", "seq", "prediction.p_up", "prediction.no_edge")


def test_a_csv_file_has_every_row_and_no_formula() -> None:
    """What a spreadsheet would run is quoted, what is missing is empty; a head is always there."""
    table = tables.Csv(NAMES)
    read = list(csv.reader(io.StringIO((table.page(ROWS) + table.end()).decode())))
    assert read == [
        list(NAMES),
        ["A", "'=1+1", "3", "1", "0.25", ""],
        ["B", "", "1e-09", "", "", "True"],
    ]
    assert tables.Csv(NAMES).end().decode().strip() == ",".join(NAMES)


def test_a_parquet_file_is_whole_over_pages() -> None:
    """Two pages are two row groups of one readable file with numbers as numbers."""
    table = tables.Parquet(NAMES)
    made = table.page(ROWS) + table.page(ROWS[:1]) + table.end()
    read = pq.read_table(io.BytesIO(made)).to_pylist()
    assert [one["price"] for one in read] == [3.0, 1e-9, 3.0]
    assert read[1] == {"symbol": "B", "trade_id": None, "price": 1e-9, "seq": None,
                       "prediction.p_up": None, "prediction.no_edge": True}  # fmt: skip


async def test_many_ask_and_one_question_is_put() -> None:
    """Within its time an answer is shared; a failure is not kept."""
    clock, asked = [0.0], []

    async def question() -> int:
        asked.append(1)
        await asyncio.sleep(0)
        if len(asked) == 2:
            raise ValueError
        return len(asked)

    shared = Shared(lambda: clock[0])
    assert await asyncio.gather(*(shared.get("a", 5, question) for _ in range(9))) == [1] * 9
    clock[0] = 5.0
    with pytest.raises(ValueError):  # noqa: PT011 - the question's own
        await shared.get("a", 5, question)
    assert await shared.get("a", 5, question) == 3


@pytest.mark.parametrize(
    ("header", "allowed"),
    [
        ("Basic " + base64.b64encode(b"me:p:w\xc3\xa9").decode(), True),
        ("basic " + base64.b64encode(b"me:p:w\xc3\xa9").decode(), True),
        ("Basic " + base64.b64encode(b"me:other").decode(), False),
        ("Basic !!!", False),
        ("Bearer x", False),
        ("", False),
    ],
)
def test_only_the_right_login_is_let_in(header: str, allowed: bool) -> None:  # noqa: FBT001
    """Passwords may hold colons and letters beyond ASCII; garbage is no login."""
    assert is_allowed(header, "me", "p:w\u00e9") is allowed


def test_a_password_may_lie_in_a_file(tmp_path: Any) -> None:
    """A user without a password, or the other way round, is refused with the variables' names."""
    file = tmp_path / "secret"
    file.write_text("hidden\n", encoding="utf-8")
    made = BoardSettings(username="me", password_file=str(file))
    assert made.secret() == "hidden"
    assert "hidden" not in repr(made)
    with pytest.raises(ValueError, match="BOARD_USERNAME needs BOARD_PASSWORD"):
        BoardSettings(username="me")
    with pytest.raises(ValueError, match="BOARD_PASSWORD_FILE"):
        BoardSettings(username="me", password_file=str(tmp_path / "none"))
