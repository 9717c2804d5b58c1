"""Candles, alerts, gaps and dead letters: round trips, and nothing but ContractErrors."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import (
    MAX_PAYLOAD_BYTES,
    Alert,
    Candle,
    Coverage,
    DeadLetter,
    Gap,
    dead_letter,
    decode,
    encode,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
INTS = st.integers(-(2**63), 2**63 - 1)
INSTRUMENT = {"exchange": TEXT, "category": TEXT, "symbol": TEXT, "v": st.just(1)}
CANDLES = st.builds(
    Candle,
    **INSTRUMENT,
    interval=st.sampled_from(("1s", "1m", "5m", "15m", "1h")),
    start=INTS,
    trades=INTS,
    final=st.booleans(),
    late=INTS,
    **dict.fromkeys(
        ("open", "high", "low", "close", "volume", "turnover", "vwap", "buy_volume", "sell_volume"),
        FLOATS,
    ),
    ofi=FLOATS,
    volatility=FLOATS,
)
ALERTS = st.builds(
    Alert,
    **INSTRUMENT,
    alert_id=TEXT,
    rule=TEXT,
    severity=st.sampled_from(("info", "warning", "critical")),
    time=INTS,
    message=TEXT,
    evidence=st.dictionaries(TEXT, FLOATS, max_size=3),
    **dict.fromkeys(("value", "baseline", "threshold"), FLOATS),
)
GAPS = st.builds(
    Gap,
    **INSTRUMENT,
    gap_id=TEXT,
    cause=TEXT,
    shard=TEXT,
    state=st.sampled_from(("open", "covered", "repaired", "partly_repaired")),
    **dict.fromkeys(("from_time", "to_time", "recorded_time", "repaired_from", "stitched"), INTS),
)
COVERAGES = st.builds(
    Coverage,
    exchange=TEXT,
    category=TEXT,
    instance=TEXT,
    time=INTS,
    since=st.dictionaries(TEXT, INTS, max_size=3),
    rates=st.dictionaries(TEXT, FLOATS, max_size=3),
)
ERRORS = st.builds(ContractError, TEXT, TEXT)


@given(CANDLES)
def test_encoding_and_decoding_a_candle_gives_it_back(candle: Candle) -> None:
    """What encode writes, decode reads, every field of it."""
    assert decode(encode(candle), Candle) == candle


@given(ALERTS)
def test_encoding_and_decoding_an_alert_gives_it_back(alert: Alert) -> None:
    """What encode writes, decode reads, every field of it."""
    assert decode(encode(alert), Alert) == alert


@given(GAPS)
def test_encoding_and_decoding_a_gap_gives_it_back(gap: Gap) -> None:
    """What encode writes, decode reads, every field of it."""
    assert decode(encode(gap), Gap) == gap


@given(COVERAGES)
def test_encoding_and_decoding_coverage_gives_it_back(coverage: Coverage) -> None:
    """What encode writes, decode reads, every field of it."""
    assert decode(encode(coverage), Coverage) == coverage


@given(st.binary(max_size=200) | TEXT.map(str.encode), ERRORS, st.integers(0, 2**53))
def test_a_dead_letter_gives_its_payload_back(
    payload: bytes, error: ContractError, now_ms: int
) -> None:
    """Any bytes survive the way through JSON, as text or as base64."""
    letter = dead_letter(payload, source="a/b", component="test", error=error, now_ms=now_ms)
    again = decode(encode(letter), DeadLetter)
    assert again == letter
    assert again.raw() == payload
    assert (again.reason, again.time, again.truncated) == (error.reason, now_ms, False)


def test_a_huge_payload_is_kept_in_part_and_says_so() -> None:
    """A dead letter is bounded, also where the cut falls into a character of several bytes."""
    payload = b"x" + "\u20ac".encode() * MAX_PAYLOAD_BYTES
    error = ContractError("bad_frame", "d" * 10_000)
    letter = dead_letter(payload, source="s", component="c", error=error, now_ms=1)
    assert letter.truncated
    assert letter.raw() == payload[:MAX_PAYLOAD_BYTES]
    assert len(letter.detail) <= 500


@given(st.binary())
@pytest.mark.parametrize("kind", [Candle, Alert, Gap, Coverage, DeadLetter])
def test_any_bytes_decode_to_a_message_or_a_contract_error(kind: type, raw: bytes) -> None:
    """No other exception leaves decode, whatever the bytes."""
    with pytest.raises(ContractError, match=f"bad_{kind.__name__.lower()}"):
        decode(raw, kind)


@pytest.mark.parametrize("kind", [Candle, Alert, Gap, Coverage, DeadLetter])
@pytest.mark.parametrize("raw", [b"[" * 100_000, b"{}", b"null", b'{"surprise":1}', b"\xff"])
def test_hostile_bytes_are_contract_errors(kind: type, raw: bytes) -> None:
    """Deep nesting, missing and unknown fields and broken text are all refused."""
    with pytest.raises(ContractError):
        decode(raw, kind)
