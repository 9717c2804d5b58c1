"""One minute of ours against the exchange's."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.audit.candles import MAX_WORST, truth_document
from cryptostream.audit.compare import Result, Tally, Verdict, compare
from cryptostream.audit.klines import read_klines, read_symbols
from cryptostream.audit.model import Bar
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.indices import index_templates

BAR = Bar(open=100.0, high=101.0, low=99.0, close=100.5, volume=10.0, turnover=1_002.0)
QUIET = Bar(100.5, 100.5, 100.5, 100.5, 0.0, 0.0)
PRICES = st.floats(1e-9, 1e9)


@st.composite
def bars(draw: st.DrawFn) -> Bar:
    """Make a bar whose parts fit together."""
    prices = draw(st.lists(PRICES, min_size=1, max_size=5))
    volume = draw(st.floats(1e-6, 1e9))
    return Bar(prices[0], max(prices), min(prices), prices[-1], volume, volume * max(prices))


@settings(deadline=None)
@given(bars())
def test_equal_bars_match(bar: Bar) -> None:
    """What is equal matches, without any divergence."""
    assert compare(bar, bar, None) == Verdict(Result.MATCH)


@settings(deadline=None)
@given(bars(), PRICES)
def test_an_open_carried_from_the_close_before_is_no_divergence(bar: Bar, before: float) -> None:
    """The exchange's candles have no breaks: they open where the last one closed."""
    theirs = replace(bar, open=before, high=max(bar.high, before), low=min(bar.low, before))
    assert compare(bar, theirs, before).result is Result.MATCH


@settings(deadline=None)
@given(bars(), st.sampled_from(["open", "high", "low", "close", "volume", "turnover"]))
def test_a_wrong_field_is_named(bar: Bar, field: str) -> None:
    """A hundredth off in one field diverges, and the verdict says where and how far."""
    verdict = compare(replace(bar, **{field: getattr(bar, field) * 1.01}), bar, None)
    assert verdict.result is Result.DIVERGED
    assert verdict.field == field
    assert verdict.divergence == pytest.approx(0.01 / 1.01, rel=1e-6)


def test_sums_may_differ_in_the_last_digits_but_prices_may_not() -> None:
    """Volumes add up in another order; a price is a price."""
    assert compare(replace(BAR, volume=10.000005), BAR, None).result is Result.MATCH
    assert compare(replace(BAR, volume=10.00002), BAR, None).result is Result.DIVERGED
    assert compare(replace(BAR, close=100.500005), BAR, None).result is Result.DIVERGED


@pytest.mark.parametrize(
    ("ours", "theirs", "result"),
    [
        (None, None, Result.QUIET),
        (None, QUIET, Result.QUIET),
        (None, BAR, Result.MISS),
        (BAR, QUIET, Result.EXTRA),
        (BAR, None, Result.EXTRA),
    ],
)
def test_a_minute_on_one_side_only(ours: Bar | None, theirs: Bar | None, result: Result) -> None:
    """A quiet minute is coverage; trades on one side only are a miss or too much."""
    assert compare(ours, theirs, 100.0).result is result


def test_quiet_minutes_leave_the_share_alone() -> None:
    """The share is over minutes with trades; without any there is none."""
    tally = Tally()
    tally.add("AUSDT", Verdict(Result.QUIET))
    assert tally.share is None
    for result in (Result.MATCH, Result.MATCH, Result.MATCH, Result.MISS):
        tally.add("BUSDT", Verdict(result))
    assert tally.share == 0.75


def test_a_document_fits_its_template_and_names_the_worst() -> None:
    """Mappings are strict, and a document stays small whatever went wrong."""
    tally = Tally()
    for number in range(100):
        tally.add(f"S{number}", Verdict(Result.DIVERGED, "close", (number + 1) / 1_000))
    document = truth_document(0, "1/2", tally, 60_000)
    known = index_templates()["crypto-truth"]["template"]["mappings"]["properties"]
    assert set(document) <= set(known)
    assert set(document["worst"][0]) <= set(known["worst"]["properties"])
    assert len(document["worst"]) == MAX_WORST
    assert document["worst"][0]["symbol"] == "S99"


def test_klines_are_read() -> None:
    """The documented row becomes a bar by its start."""
    row = ["1670608800000", "17071", "17073", "17027", "17055.5", "268611", "15.74462667"]
    bar = Bar(17071.0, 17073.0, 17027.0, 17055.5, 268611.0, 15.74462667)
    assert read_klines({"result": {"list": [row]}}) == {1670608800000: bar}


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"result": None},
        {"result": {"list": [["1670608800000", "1"]]}},
        {"result": {"list": [["x", "1", "1", "1", "1", "1", "1"]]}},
        {"result": {"list": [["1670608800000", "1", "1", "1", "NaN", "1", "1"]]}},
        {"result": {"list": [["1670608800000", "1", "1", "1", "1", "-1", "1"]]}},
        {"result": {"list": [[1, None, 1, 1, 1, 1, 1]]}},
    ],
)
def test_a_wrong_answer_is_refused(answer: dict[str, object]) -> None:
    """Every byte is hostile: one documented error and no other."""
    with pytest.raises(ContractError):
        read_klines(answer)


@pytest.mark.parametrize("answer", [{}, {"result": None}, {"result": {"list": [{}]}}])
def test_wrong_instruments_are_refused(answer: dict[str, object]) -> None:
    """A list without its fields is no list of symbols."""
    with pytest.raises(ContractError):
        read_symbols(answer, "USDT")
