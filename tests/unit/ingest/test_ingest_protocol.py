"""Bybit's protocol: requests within its limits, frames told apart, answers understood."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cryptostream.contracts.errors import ContractError
from cryptostream.ingest import protocol
from cryptostream.ingest.protocol import (
    MAX_ARGS_PER_REQUEST,
    MAX_FRAME_BYTES,
    MAX_TOPIC_CHARS_PER_CONNECTION,
    Ack,
    Refusal,
    Signal,
    classify_frame,
    in_chunks,
    per_connection,
    ping_request,
    refusal,
    subscribe_request,
    symbol_of,
    topic_of,
    unsubscribe_request,
)

SYMBOLS = st.text("ABCDEFGHIJ0123456789", min_size=1, max_size=20)
TOPICS = st.lists(SYMBOLS.map(topic_of), unique=True, max_size=60)


def test_a_subscribe_request_is_what_bybit_documents() -> None:
    """Operation, request id and topics, nothing else."""
    request = subscribe_request("7", ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"])
    assert json.loads(request) == {
        "req_id": "7",
        "op": "subscribe",
        "args": ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"],
    }
    assert json.loads(unsubscribe_request("8", ["publicTrade.BTCUSDT"])) == {
        "req_id": "8",
        "op": "unsubscribe",
        "args": ["publicTrade.BTCUSDT"],
    }
    assert json.loads(ping_request("9")) == {"req_id": "9", "op": "ping"}


@pytest.mark.parametrize("count", [0, MAX_ARGS_PER_REQUEST + 1])
def test_a_request_that_bybit_would_refuse_is_not_made(count: int) -> None:
    """The limit of 10 is held here, before the exchange holds it."""
    with pytest.raises(ValueError, match="1 to 10"):
        subscribe_request("1", ["t"] * count)


@given(TOPICS)
def test_chunks_carry_every_topic_once(topics: list[str]) -> None:
    """No request has more than 10 topics and none is lost or doubled."""
    chunks = list(in_chunks(topics))
    assert [topic for chunk in chunks for topic in chunk] == topics
    assert all(1 <= len(chunk) <= MAX_ARGS_PER_REQUEST for chunk in chunks)


@given(st.integers(0, 3000))
def test_connections_stay_below_the_limit_of_their_topics(count: int) -> None:
    """All topics are there, in order, in as few groups as their length allows."""
    topics = [topic_of(f"SYMBOL{number}USDT") for number in range(count)]
    groups = per_connection(topics)
    assert [topic for group in groups for topic in group] == topics
    for group in groups:
        assert 0 < sum(map(len, group)) <= MAX_TOPIC_CHARS_PER_CONNECTION
    for group, following in itertools.pairwise(groups):
        assert sum(map(len, group)) + len(following[0]) > MAX_TOPIC_CHARS_PER_CONNECTION


@given(st.lists(TOPICS, min_size=1, max_size=4), st.integers(30, 200))
def test_topics_that_stay_keep_their_connection(steps: list[list[str]], limit: int) -> None:
    """Every change places each wanted topic once, within the limit, and moves none that stays."""
    groups: list[list[str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(protocol, "MAX_TOPIC_CHARS_PER_CONNECTION", limit)
        for topics in steps:
            before = {topic: place for place, group in enumerate(groups) for topic in group}
            groups = per_connection(topics, groups)
            after = {topic: place for place, group in enumerate(groups) for topic in group}
            assert sorted(topic for group in groups for topic in group) == sorted(topics)
            assert all(after[topic] == before.get(topic, after[topic]) for topic in topics)
            assert all(sum(map(len, group)) <= limit or len(group) == 1 for group in groups)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            (
                b'{"success":true,"ret_msg":"subscribe","conn_id":"d9a-9cfc4","req_id":"10001",'
                b'"op":"subscribe"}'
            ),
            Ack("10001", success=True, ret_msg="subscribe"),
        ),
        (
            b'{"success":true,"ret_msg":"","conn_id":"x","req_id":"","op":"subscribe"}',
            Ack("", success=True, ret_msg=""),
        ),
        (
            (
                b'{"success":false,"ret_msg":"args size >10","conn_id":"x","req_id":"3",'
                b'"op":"subscribe"}'
            ),
            Ack("3", success=False, ret_msg="args size >10"),
        ),
        (b'{"success":true,"ret_msg":"pong","conn_id":"x","op":"ping"}', Signal.PONG),
        (b'{"req_id":"1","op":"pong","args":["1"],"conn_id":"x"}', Signal.PONG),
        (b'{"topic":"publicTrade.BTCUSDT","ts":1,"type":"snapshot","data":[]}', Signal.TRADES),
        (b'{"type":"snapshot","topic":"publicTrade.BTCUSDT","ts":1,"data":[]}', Signal.TRADES),
    ],
)
def test_frames_are_told_apart(raw: bytes, expected: object) -> None:
    """Spot's and the derivatives' answers, pongs and trades, in any order of keys."""
    assert classify_frame(raw) == expected


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "bad_frame"),
        (b"not json", "bad_frame"),
        (b"[1]", "bad_frame"),
        (b"\xff", "bad_frame"),
        (b'{"x":' * 50_000, "bad_frame"),
        (b'{"success":"yes"}', "bad_frame"),
        (b"{}", "unknown_frame"),
        (b'{"topic":"orderbook.1.BTCUSDT","data":{}}', "unknown_frame"),
        (b" " * (MAX_FRAME_BYTES + 1), "frame_too_large"),
    ],
)
def test_what_nobody_knows_is_named(raw: bytes, reason: str) -> None:
    """Every other frame is a ContractError with its reason."""
    with pytest.raises(ContractError) as caught:
        classify_frame(raw)
    assert caught.value.reason == reason


@given(st.binary(max_size=300))
@example(b'{"topic":"publicTrade.')
def test_any_bytes_are_a_known_frame_or_a_contract_error(raw: bytes) -> None:
    """The classifier raises nothing else."""
    try:
        kind = classify_frame(raw)
    except ContractError:
        return
    assert isinstance(kind, Signal | Ack)


@pytest.mark.parametrize(
    ("ret_msg", "expected"),
    [
        ("Invalid symbol :[publicTrade.NOPEUSDT]", Refusal.BAD_TOPIC),
        ("error:handler not found,topic:publicTrade.NOTASYMBOL", Refusal.BAD_TOPIC),
        ("error:already subscribed,topic:publicTrade.BTCUSDT", Refusal.DUPLICATE),
        ("args size >10", Refusal.OTHER),
        ("", Refusal.OTHER),
    ],
)
def test_refusals_are_read(ret_msg: str, expected: Refusal) -> None:
    """A name that doesn't exist, a repetition and anything else ask for different things."""
    assert refusal(ret_msg) is expected


def test_topics_and_symbols_map_to_each_other() -> None:
    """The way there and back, and no other topic."""
    assert symbol_of(topic_of("BTCUSDT")) == "BTCUSDT"
    with pytest.raises(ContractError, match="unknown_topic"):
        symbol_of("tickers.BTCUSDT")
