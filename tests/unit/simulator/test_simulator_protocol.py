"""Bybit's public spot WebSocket: from a request to its answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cryptostream.simulator.protocol import Answer, Limits, Session, answer

SYMBOLS = {"BTCUSDT", "ETHUSDT", *(f"X{number}USDT" for number in range(2_000))}
CONN_ID = "d9avrj8i70nu0j2a80n0-9cfc4"


def fresh() -> Session:
    """Give a connection without topics."""
    return Session(CONN_ID)


def ask(session: Session, **request: Any) -> Answer:
    """Send one request."""
    return answer(json.dumps(request), session, SYMBOLS)


def refused(session: Session, **request: Any) -> str:
    """Send a request that must be refused and change nothing; give the `ret_msg`."""
    before = dict(session.topics)
    reply = ask(session, **request)
    body = json.loads(reply.text)
    assert body["success"] is False
    assert (reply.added, reply.removed, session.topics) == ((), (), before)
    return str(body["ret_msg"])


def test_subscribing_is_acked_as_on_spot() -> None:
    """A subscribe is acked letter by letter as recorded, and its topics are reported."""
    reply = ask(fresh(), req_id="10001", op="subscribe", args=["publicTrade.BTCUSDT"])
    assert reply.text == (
        '{"success":true,"ret_msg":"subscribe","conn_id":"d9avrj8i70nu0j2a80n0-9cfc4",'
        '"req_id":"10001","op":"subscribe"}'
    )
    assert reply.added == ("publicTrade.BTCUSDT",)


def test_an_ack_leaves_out_the_req_id_that_was_not_given() -> None:
    """Without a req_id the ack has none."""
    reply = ask(fresh(), op="subscribe", args=["publicTrade.BTCUSDT"])
    assert "req_id" not in json.loads(reply.text)


def test_a_numeric_req_id_comes_back_as_text() -> None:
    """Clients that number their requests get their number back as a string."""
    assert json.loads(ask(fresh(), req_id=7, op="ping").text)["req_id"] == "7"


def test_unsubscribing_is_acked_and_frees_the_topic() -> None:
    """After an unsubscribe the topic can be subscribed again."""
    session = fresh()
    ask(session, op="subscribe", args=["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"])
    reply = ask(session, op="unsubscribe", args=["publicTrade.BTCUSDT"])
    assert json.loads(reply.text)["ret_msg"] == "unsubscribe"
    assert reply.removed == ("publicTrade.BTCUSDT",)
    assert ask(session, op="subscribe", args=["publicTrade.BTCUSDT"]).added


def test_a_ping_gets_a_pong() -> None:
    """The JSON heartbeat is answered as spot does."""
    assert ask(fresh(), op="ping").text == (
        '{"success":true,"ret_msg":"pong","conn_id":"d9avrj8i70nu0j2a80n0-9cfc4","op":"ping"}'
    )


def test_ten_topics_are_taken_and_eleven_refused() -> None:
    """The limit of a request is ten topics, in Bybit's words."""
    topics = [f"publicTrade.X{number}USDT" for number in range(11)]
    assert refused(fresh(), op="subscribe", args=topics) == "args size >10"
    assert len(ask(fresh(), op="subscribe", args=topics[:10]).added) == 10


def test_an_unknown_symbol_refuses_the_whole_request() -> None:
    """One bad symbol and none of the request's topics is subscribed."""
    topics = ["publicTrade.BTCUSDT", "publicTrade.NOPEUSDT"]
    message = refused(fresh(), op="subscribe", args=topics)
    assert message == "Invalid symbol :[publicTrade.NOPEUSDT]"


@pytest.mark.parametrize("again", ["before", "within"])
def test_a_topic_is_subscribed_once(again: str) -> None:
    """A topic that is already subscribed, or stands twice in a request, is refused."""
    session, topics = fresh(), ["publicTrade.BTCUSDT"]
    if again == "before":
        ask(session, op="subscribe", args=topics)
    else:
        topics *= 2
    message = refused(session, op="subscribe", args=topics)
    assert message == "error:already subscribed,topic:publicTrade.BTCUSDT"


def test_other_topics_have_no_handler() -> None:
    """A topic that isn't publicTrade is refused by name."""
    message = refused(fresh(), op="subscribe", args=["orderbook.1.BTCUSDT"])
    assert message == "error:handler not found,topic:orderbook.1.BTCUSDT"


def test_a_connection_holds_21000_characters_of_topics() -> None:
    """The connection's topics are limited by their total length."""
    session, number = fresh(), 0
    while True:
        topics = [f"publicTrade.X{at}USDT" for at in range(number, number + 10)]
        if session.topic_chars + sum(map(len, topics)) > Limits().topic_chars:
            break
        assert ask(session, op="subscribe", args=topics).added
        number += 10
    assert refused(session, op="subscribe", args=topics) == "args length >21000"


@pytest.mark.parametrize(
    "request_body",
    [
        {"op": "auth"},
        {"op": None},
        {},
        {"op": "subscribe"},
        {"op": "subscribe", "args": []},
        {"op": "subscribe", "args": "publicTrade.BTCUSDT"},
        {"op": "subscribe", "args": [1]},
        {"op": "subscribe", "args": [{"op": "subscribe"}]},
        {"op": "ping", "req_id": {}},
        {"op": "ping", "req_id": True},
        {"op": "ping", "req_id": "x" * 1000},
    ],
)
def test_malformed_requests_are_refused(request_body: dict[str, Any]) -> None:
    """A request of the wrong shape gets an error that says what is wrong."""
    assert refused(fresh(), **request_body)


@pytest.mark.parametrize("raw", ["", "{", "[]", "1", '"x"', "[" * 100_000, b"\xff\xfe", "nan"])
def test_what_is_no_json_object_is_refused(raw: str | bytes) -> None:
    """Bytes that can't be decoded are answered, not raised on."""
    body = json.loads(answer(raw, fresh(), SYMBOLS).text)
    assert body["success"] is False
    assert body["ret_msg"].startswith("Failed to decode incoming data:")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)
TOPIC = st.sampled_from(["publicTrade.BTCUSDT", "publicTrade.ETHUSDT", "publicTrade.", "x"])


@settings(deadline=None)
@given(
    st.binary()
    | st.text()
    | JSON.map(json.dumps)
    | st.fixed_dictionaries(
        {"op": st.sampled_from(["subscribe", "unsubscribe", "ping", "x"]) | JSON},
        optional={"args": st.lists(TOPIC, max_size=12) | JSON, "req_id": JSON},
    ).map(json.dumps)
)
def test_every_request_is_answered(raw: str | bytes) -> None:
    """Whatever comes in, the answer is one JSON object with the envelope's keys."""
    session = fresh()
    reply = answer(raw, session, SYMBOLS)
    body = json.loads(reply.text)
    assert {"success", "ret_msg", "conn_id", "op"} <= body.keys()
    assert set(reply.added) == set(session.topics)


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["subscribe", "unsubscribe"]), st.lists(TOPIC))))
def test_the_session_follows_from_the_answers(requests: list[tuple[str, list[str]]]) -> None:
    """What the answers added and removed adds up to the session's topics."""
    session, topics = fresh(), set[str]()
    for op, args in requests:
        reply = ask(session, op=op, args=args)
        topics = (topics | set(reply.added)) - set(reply.removed)
    assert topics == set(session.topics)
