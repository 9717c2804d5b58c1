"""Which dead letters go back, and which stay."""

from __future__ import annotations

import msgspec
import pytest
from support.trades import a_trade

from cryptostream.cli.errors import CliError
from cryptostream.cli.redrive import Record, Redrive, milliseconds
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import DeadLetter, dead_letter, encode
from cryptostream.contracts.trade import encode_trade

GOOD = encode_trade(a_trade(symbol="ETHUSDT"))


def letter(payload: bytes = GOOD, source: str = "bybit-trades/3@1042") -> DeadLetter:
    """Make a letter as the stream writes it."""
    error = ContractError("bad_price", "it was")
    return dead_letter(payload, source=source, component="stream", error=error, now_ms=1)


def test_a_record_that_is_readable_now_goes_back_byte_for_byte() -> None:
    """It goes to its topic, under its symbol, as it was."""
    redrive = Redrive()
    assert redrive.judge(encode(letter())) == Record("bybit-trades", b"ETHUSDT", GOOD)
    assert redrive.counts == {"redriven": 1}


def test_a_record_goes_back_once() -> None:
    """A replayed batch tells of the same record again; another record with its bytes is new."""
    redrive = Redrive()
    sources = ["bybit-trades/3@1042", "bybit-trades/3@1042", "bybit-trades/3@1043"]
    found = [redrive.judge(encode(letter(source=source))) for source in sources]
    assert [one is not None for one in found] == [True, False, True]
    assert redrive.counts == {"redriven": 2, "told_again": 1}


@pytest.mark.parametrize(
    ("made", "outcome"),
    [
        (letter(b'{"symbol":'), "still_bad"),
        (letter(b"\xff\xfe"), "still_bad"),
        (letter(b""), "still_bad"),
        (letter(source="bulk"), "elsewhere"),
        (letter(source="bybit/spot/ws"), "elsewhere"),
        (letter(source="crypto-gaps/0@1"), "elsewhere"),
        (letter(source="bybit-trades/x@1"), "elsewhere"),
        (msgspec.structs.replace(letter(), truncated=True), "truncated"),
        (msgspec.structs.replace(letter(), payload="A", encoding="base64"), "still_bad"),
    ],
)
def test_what_can_not_go_back_stays(made: DeadLetter, outcome: str) -> None:
    """Nothing is produced that would fail again or belongs elsewhere, and each is counted."""
    redrive = Redrive()
    assert redrive.judge(encode(made)) is None
    assert redrive.counts == {outcome: 1}


def test_garbage_is_no_letter() -> None:
    """A message that is no dead letter is counted, not fatal."""
    redrive = Redrive()
    assert redrive.judge(b"{}") is None
    assert redrive.counts == {"unreadable": 1}


def test_a_reason_chooses() -> None:
    """Only letters of the reason asked for go back."""
    redrive = Redrive("bad_size")
    assert redrive.judge(encode(letter())) is None
    assert redrive.counts == {"other_reason": 1}


def test_a_moment_is_utc_unless_it_says_otherwise() -> None:
    """Both ways of writing it give the same milliseconds; nonsense is told."""
    assert milliseconds("") == 0
    assert milliseconds("2026-11-22T00:00") == milliseconds("2026-11-22T01:00+01:00")
    with pytest.raises(CliError, match="--since yesterday"):
        milliseconds("yesterday")
