"""Recorded frames, ways to break them, and what must hold for each; for hypothesis and atheris."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import DeadLetter, dead_letter, decode
from cryptostream.contracts.messages import encode as encode_message
from cryptostream.contracts.trade import decode_trade, encode_trade
from cryptostream.ingest.parse import Rejected, Source, parse_frame
from cryptostream.ingest.protocol import classify_frame

if TYPE_CHECKING:
    from collections.abc import Callable

NOW_MS = 1_791_457_528_960
SOURCE = Source("bybit", "spot", "0/1")
SPOT = (
    b'{"topic":"publicTrade.BTCUSDT","ts":1791457528952,"type":"snapshot","data":[{"i":'
    b'"2290000001227213949","T":1791457528951,"p":"82680","v":"0.001185","S":"Buy",'
    b'"seq":115115351336,"s":"BTCUSDT","BT":false,"RPI":false}]}'
)
FIELDS = ("i", "T", "p", "v", "S", "s", "BT", "RPI", "seq")
FRAMES = (
    Path(
        os.environ.get("CRYPTOSTREAM_DATA")
        or Path(__file__).resolve().parents[2].parent / "shared" / "data"
    )
    / "bybit_v5_publicTrade_frames.jsonl"
)
_MUTATED = b'"MUTATED"'


def recorded_frames() -> list[dict[str, Any]]:
    """Give the recorded frames; one known by heart where the recording is absent."""
    if not FRAMES.exists():
        return [json.loads(SPOT)]
    return [json.loads(line)["frame"] for line in FRAMES.read_bytes().splitlines()]


def encode(frame: dict[str, Any]) -> bytes:
    """Write a frame as the exchange does, without blanks."""
    return msgspec.json.encode(frame)


def check_decoders(raw: bytes) -> None:
    """Any bytes: each decoder gives its type or `ContractError`, and each refusal has a letter."""
    for decoder in (classify_frame, decode_trade):
        error = _refusal(decoder, raw)
        assert error is None or _named(error.reason), error
    trades, rejected = parse_frame(raw, SOURCE, NOW_MS)
    for trade in trades:
        assert decode_trade(encode_trade(trade)) == trade
    for item in rejected:
        check_letter(item)


def _refusal(decoder: Callable[[bytes], object], raw: bytes) -> ContractError | None:
    """Give the documented error; any other goes through."""
    try:
        decoder(raw)
    except ContractError as error:
        return error
    return None


def _named(reason: str) -> bool:
    return reason.startswith(("bad_", "unknown_", "frame_"))


def check_letter(item: Rejected) -> None:
    """A refusal becomes one dead letter that keeps its payload and names its reason."""
    letter = dead_letter(
        item.payload, source="test", component="ingest", error=item.error, now_ms=NOW_MS
    )
    back = decode(encode_message(letter), DeadLetter)
    assert back.raw() == item.payload
    assert _named(back.reason)


def check_neighbours_survive(frame: dict[str, Any], place: int, field: str, value: bytes) -> None:
    """Set a field of one trade to raw JSON: it costs that trade at most.

    Where the value is no JSON at all, the frame can't be told apart and is one dead letter.
    """
    items = [dict(item) for item in frame["data"]]
    items[place][field] = "MUTATED"
    raw = encode(frame | {"data": items}).replace(_MUTATED, value)
    trades, rejected = parse_frame(raw, SOURCE, NOW_MS)
    for item in rejected:
        check_letter(item)
    if not _is_json(raw):
        assert len(rejected) == 1
        assert not trades
        return
    if not _is_json(value):
        # It closes the trade and opens something else: the frame is another one now.
        return
    ids = [trade.trade_id for trade in trades]
    others = [item["i"] for item in frame["data"]]
    del others[place]
    if rejected:
        (only,) = rejected
        assert only.error.reason.startswith("bad_")
        assert ids == others
        # The letter holds the one bad trade, and driving it through again says the same.
        (again,) = parse_frame(only.payload, SOURCE, NOW_MS)[1]
        assert again.error.reason == only.error.reason
    else:
        assert ids[:place] + ids[place + 1 :] == others


def _is_json(value: bytes) -> bool:
    try:
        msgspec.json.decode(value, type=msgspec.Raw)
    except (ValueError, RecursionError):
        return False
    return True
