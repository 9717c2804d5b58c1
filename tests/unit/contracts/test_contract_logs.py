"""Logs: one JSON object a line, whatever is logged."""

from __future__ import annotations

import json
import logging
import sys

from hypothesis import example, given
from hypothesis import strategies as st

from cryptostream.contracts.logs import MAX_FIELD_CHARS, JsonLines

ANY_TEXT = st.text(max_size=50)


def line_of(event: str, **fields: object) -> str:
    """Format one record."""
    record = logging.LogRecord("room", logging.INFO, __file__, 1, event, None, None)
    record.fields = fields
    return JsonLines().format(record)


def strict(line: str) -> dict[str, object]:
    """Read a line as JSON without Python's NaN and Infinity."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    loaded = json.loads(line, parse_constant=refuse)
    assert isinstance(loaded, dict)
    return loaded


@given(ANY_TEXT, ANY_TEXT | st.floats() | st.integers() | st.none() | st.binary())
@example('x\n{"level": "error", "event": "forged"}', "\r\n\x1b[31m\u2028\x85")
def test_no_input_can_forge_a_line(event: str, value: object) -> None:
    """Newlines, escapes and separators in event or field stay inside one JSON line."""
    line = line_of(event, value=value)
    assert len(line.splitlines()) == 1
    assert line.isascii()
    assert "\x1b" not in line
    loaded = strict(line)
    assert loaded["event"] == event
    assert loaded["level"] == "info"


def test_fields_are_bounded() -> None:
    """A payload of megabytes does not become a line of megabytes."""
    loaded = strict(line_of("e" * 10_000, value="v" * 10_000))
    assert loaded["event"] == "e" * MAX_FIELD_CHARS
    assert loaded["value"] == "v" * MAX_FIELD_CHARS


def test_numbers_stay_numbers_where_json_has_them() -> None:
    """Integers and finite floats are bare, NaN and infinity are text."""
    loaded = strict(line_of("x", a=1, b=0.5, c=float("nan"), d=float("-inf"), e=True))
    assert loaded | {"time": 0} == loaded | {
        "time": 0, "a": 1, "b": 0.5, "c": "nan", "d": "-inf", "e": True,
    }  # fmt: skip


def test_an_exception_stays_in_its_line() -> None:
    """A traceback is one escaped field, bounded."""
    try:
        int("first\nsecond" * 1000)
    except ValueError:
        record = logging.LogRecord("r", logging.ERROR, __file__, 1, "boom", None, sys.exc_info())
    line = JsonLines().format(record)
    assert len(line.splitlines()) == 1
    assert len(str(strict(line)["exception"])) <= 4000
