"""A dump's rows against stored trades."""

from __future__ import annotations

import gzip
from collections import Counter
from contextlib import suppress
from datetime import date
from http.client import IncompleteRead
from typing import TYPE_CHECKING, Self

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.audit import dumps
from cryptostream.audit.dumps import Dumps
from cryptostream.audit.errors import DumpError, UnreachableError
from cryptostream.audit.fill import plain, trade_of
from cryptostream.audit.join import filled_id, join
from cryptostream.audit.model import Key, Row, Stored
from cryptostream.audit.rows import read_rows
from cryptostream.contracts.trade import check_number, decode_trade, encode_trade

if TYPE_CHECKING:
    from collections.abc import Iterable

DAY = date(2026, 11, 22)
DAY_MS = 1_795_305_600_000
HEADER = b"id,timestamp,price,volume,side\n"
KEYS = st.builds(
    Key,
    st.integers(DAY_MS, DAY_MS + 2),
    st.sampled_from([1.5, 2.5]),
    st.sampled_from([1.0, 3.0]),
    st.sampled_from(["buy", "sell"]),
)


def as_rows(keys: Iterable[Key]) -> list[Row]:
    """Number keys as a file's rows are numbered."""
    seen: Counter[int] = Counter()
    rows = []
    for key in keys:
        rows.append(Row(key, seen[key.time], rpi=False))
        seen[key.time] += 1
    return rows


def live(keys: Iterable[Key]) -> list[Stored]:
    """Give trades with the exchange's ids."""
    return [Stored(key, f"229{number}") for number, key in enumerate(keys)]


@settings(deadline=None)
@given(st.lists(KEYS, max_size=40), st.lists(KEYS, max_size=40))
def test_a_join_is_the_difference_of_two_multisets(ours: list[Key], theirs: list[Key]) -> None:
    """Equal trades meet as often as both sides have them, exactly as `Counter` has it."""
    joined = join(as_rows(theirs), live(ours))
    assert joined.matched == (Counter(theirs) & Counter(ours)).total()
    assert Counter(row.key for row in joined.missing) == Counter(theirs) - Counter(ours)
    assert joined.extra == (Counter(ours) - Counter(theirs)).total()


@settings(deadline=None)
@given(st.lists(KEYS, max_size=40), st.data())
def test_filling_in_ends_and_is_idempotent(theirs: list[Key], data: st.DataObject) -> None:
    """Whatever part of a fill is indexed when the next run looks, no trade comes twice."""
    rows = as_rows(theirs)
    had = data.draw(st.lists(st.sampled_from(theirs), unique=True)) if theirs else []
    documents = {one.trade_id: one for one in live(had)}
    first = join(rows, documents.values())
    fill = {filled_id(row): Stored(row.key, filled_id(row)) for row in first.missing}
    seen = data.draw(st.sets(st.sampled_from(sorted(fill)))) if fill else set()
    second = join(rows, [*documents.values(), *(fill[name] for name in sorted(seen))])
    assert {filled_id(row) for row in second.missing} == fill.keys() - seen
    last = join(rows, [*documents.values(), *fill.values()])
    assert (last.missing, last.extra, last.matched) == ((), 0, len(rows))


def test_lines_become_numbered_rows() -> None:
    """Rows of one millisecond are told apart by their place among them."""
    lines = [
        b"id,timestamp,price,volume,side,rpi\n",
        b"1,1795305600000,87120.50,0.000100,buy,0\n",
        b"2,1795305600000,87120.5,1e-05,sell,1\n",
        b"3,1795305600001,87120,2,buy,0",
    ]
    assert list(read_rows(lines, DAY_MS)) == [
        Row(Key(DAY_MS, 87120.5, 0.0001, "buy"), 0, rpi=False),
        Row(Key(DAY_MS, 87120.5, 0.00001, "sell"), 1, rpi=True),
        Row(Key(DAY_MS + 1, 87120.0, 2.0, "buy"), 0, rpi=False),
    ]


@pytest.mark.parametrize(
    "line",
    [
        b"1,1795305600000,1,1\n",
        b"1,1795305600000,1,1,buy,0\n",
        b"1,1795305600000,nan,1,buy\n",
        b"1,1795305600000,1,-1,buy\n",
        b"1,1795305600000,1,0,buy\n",
        b"1,1795305600000,1,1e99,buy\n",
        b"1,1795305600000,1,1,hold\n",
        b"1,1795305600,1,1,buy\n",
        b"1,1795305599999,1,1,buy\n",
        b"1,1795392000000,1,1,buy\n",
        b"1,1795305600000,1,1," + b"b" * 600,
        b"\xff\xfe,1795305600000,1\n",
    ],
)
def test_a_bad_line_is_named(line: bytes) -> None:
    """A file that breaks its format is refused with the line, never half believed."""
    with pytest.raises(DumpError, match="line 2"):
        list(read_rows([HEADER, line], DAY_MS))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=5))
def test_garbage_raises_one_error(lines: list[bytes]) -> None:
    """Accepted, or refused with the documented error."""
    for head in ([], [HEADER]):
        with suppress(DumpError):
            list(read_rows([*head, *lines], DAY_MS))


@settings(deadline=None)
@given(st.floats(1e-12, 1e15))
def test_numbers_are_written_plainly(number: float) -> None:
    """What is filled in keeps the contract and reads as the same double."""
    check_number("price", plain(number))
    assert float(plain(number)) == number


def test_a_filled_trade_keeps_the_contract() -> None:
    """It says where it comes from, and its id says from which row."""
    row = Row(Key(DAY_MS, 87120.5, 0.00001, "sell"), 3, rpi=True)
    trade = trade_of(row, "bybit", "spot", "BTCUSDT", DAY_MS + 5)
    assert decode_trade(encode_trade(trade)) == trade
    assert (trade.trade_id, trade.origin, trade.price, trade.size) == (
        f"dump-{DAY_MS}-3",
        "dump",
        "87120.5",
        "0.00001",
    )


class Answer:
    """A server's answer that gives its bytes, then an error if there is one."""

    def __init__(self, content: bytes, error: Exception | None = None) -> None:
        self.content = content
        self.error = error

    def __enter__(self) -> Self:
        """Give itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close nothing."""

    def read(self, size: int = -1) -> bytes:
        """Give the next bytes."""
        if not self.content and self.error is not None:
            raise self.error
        size = len(self.content) if size < 0 else size
        part, self.content = self.content[:size], self.content[size:]
        return part


def served(monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> Dumps:
    """Give dumps from a server with these answers, one after the other."""
    left = list(answers)
    monkeypatch.setattr(dumps, "urlopen", lambda *_, **__: left.pop(0))
    return Dumps("http://dumps", max_rows=3, sleep=lambda _: None)


def packed(rows: int) -> bytes:
    """Give a compressed file of so many rows."""
    return gzip.compress(HEADER + b"1,1795305600000,1,1,buy\n" * rows)


def test_a_torn_download_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a file is never taken for the day."""
    torn = Answer(packed(2)[:-12])
    broken = Answer(packed(2)[:20], IncompleteRead(b""))
    assert len(served(monkeypatch, torn, broken, Answer(packed(2))).rows("AUSDT", DAY) or []) == 2


def test_a_server_that_never_answers_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Attempts are bounded, and the error names the setting."""
    broken = [Answer(b"", ConnectionResetError()) for _ in range(dumps.ATTEMPTS)]
    with pytest.raises(UnreachableError, match="AUDIT_DUMPS_URL"):
        served(monkeypatch, *broken).rows("AUSDT", DAY)


@pytest.mark.parametrize("content", [b"<html>", packed(4), gzip.compress(b"")])
def test_an_unusable_file_is_not_tried_again(
    monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    """What is no dump, or more than memory may hold, is refused with its address."""
    with pytest.raises(DumpError, match="AUSDT_2026-11-22"):
        served(monkeypatch, Answer(content)).rows("AUSDT", DAY)
