"""What is typed for the history job."""

from __future__ import annotations

import pytest

from cryptostream.stream.history.__main__ import main
from cryptostream.stream.history.request import MAX_MOMENTS, HistoryError, parse_request

FROM_MS = 1_795_305_600_000
RANGE = {"from_time": "2026-11-22T00:00", "to_time": "2026-11-22T01:00"}


def test_a_range_is_read_as_utc() -> None:
    """A time without a zone is UTC; one with a zone is taken at its word."""
    plain = parse_request(**RANGE)
    zoned = parse_request(from_time="2026-11-22T02:00+02:00", to_time="2026-11-22T01:00Z")
    assert (plain.from_ms, plain.to_ms) == (FROM_MS, FROM_MS + 3_600_000)
    assert plain == zoned
    assert parse_request(from_time="2026-11-22", to_time="2026-11-22T01:00") == plain


def test_moments_begin_one_step_after_the_start() -> None:
    """The first window ends one step into the range, the last one at its end."""
    moments = list(parse_request(**RANGE, step="15m").moments())
    assert moments == [FROM_MS + quarter * 900_000 for quarter in (1, 2, 3, 4)]


def test_reading_starts_a_longest_window_earlier() -> None:
    """Else the first moments' windows would be cut."""
    assert parse_request(**RANGE).read_from_ms == FROM_MS - 86_400_000
    assert parse_request(**RANGE, windows="1h,5m").read_from_ms == FROM_MS - 3_600_000


def test_a_run_is_named_by_what_was_asked() -> None:
    """The same question has the same name, however it is typed; another one has another."""
    asked = parse_request(**RANGE, symbols="ETHUSDT,BTCUSDT", windows="24h,5m")
    again = parse_request(**RANGE, symbols=" BTCUSDT, ETHUSDT,", windows="5m,24h")
    assert asked.run == again.run
    assert len({asked.run, *(parse_request(**RANGE, **other).run for other in (
        {}, {"step": "1m"}, {"source": "kafka"}, {"windows": "1h"}, {"reference": "ETHUSDT"},
    ))}) == 6  # fmt: skip


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ({"from_time": "yesterday"}, "--from was 'yesterday'"),
        ({"to_time": "2026-13-01"}, "--to was"),
        ({"from_time": "1815-06-18"}, "not within this century"),
        ({"to_time": "2026-11-22T00:00"}, "empty"),
        ({"to_time": "2026-11-22T00:04"}, "empty"),
        ({"to_time": "2026-11-21"}, "empty"),
        ({"step": "7s"}, "--step"),
        ({"step": "0m"}, "--step"),
        ({"step": "five"}, "--step"),
        ({"windows": "2h"}, "--windows"),
        ({"windows": ""}, "--windows"),
        ({"symbols": "BTC USDT"}, "--symbols"),
        ({"source": "csv"}, "--source"),
        ({"step": "10s", "to_time": "2026-12-22"}, str(MAX_MOMENTS)),
    ],
)
def test_nonsense_is_refused_in_one_line(
    typed: dict[str, str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line names the option; the status is 2, and nothing was started."""
    with pytest.raises(HistoryError, match=said):
        parse_request(**{**RANGE, **typed})
    names = {"from_time": "--from", "to_time": "--to"}
    options = [
        part for name, value in {**RANGE, **typed}.items()
        for part in (names.get(name, f"--{name}"), value)
    ]  # fmt: skip
    assert main(options) == 2
    assert capsys.readouterr().err.count("\n") == 1


@pytest.mark.parametrize(
    ("asked", "found", "said"),
    [
        ("", set(), "elasticsearch has no trades in this range"),
        (
            "AUSDT,BUSDT,CUSDT",
            {"BUSDT"},
            "elasticsearch has no trades of AUSDT,CUSDT in this range",
        ),
        ("AUSDT", {"AUSDT", "BTCUSDT"}, ""),
        ("", {"AUSDT"}, ""),
    ],
)
def test_what_nobody_traded_is_named(asked: str, found: set[str], said: str) -> None:
    """A run over nothing, or over a symbol that isn't there, says so instead of writing nothing."""
    request = parse_request(**RANGE, symbols=asked)
    if not said:
        request.require(found)
        return
    with pytest.raises(HistoryError) as refused:
        request.require(found)
    assert str(refused.value) == said
