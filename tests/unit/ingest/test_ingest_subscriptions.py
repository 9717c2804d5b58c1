"""Subscriptions: each topic ends granted or refused, and a bad one harms no other."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cryptostream.contracts.errors import Failure
from cryptostream.ingest.errors import classify
from cryptostream.ingest.protocol import Ack
from cryptostream.ingest.subscriptions import Refusals, SubscriptionRefusedError, Subscriptions

TOPICS = [f"publicTrade.S{number}" for number in range(25)]


def answer(request: dict[str, Any], bad: set[str]) -> Ack:
    """Answer as spot does: one bad topic refuses the whole request."""
    refused = [topic for topic in request["args"] if topic in bad]
    if refused:
        return Ack(request["req_id"], success=False, ret_msg=f"Invalid symbol :[{refused[0]}]")
    return Ack(request["req_id"], success=True, ret_msg="subscribe")


@given(st.sets(st.sampled_from(TOPICS)), st.randoms())
def test_bad_topics_are_singled_out_in_any_order_of_answers(bad: set[str], order: Any) -> None:
    """Every good topic is granted, every bad one refused, in a bounded number of requests."""
    subscriptions = Subscriptions(TOPICS)
    pending = subscriptions.open_requests()
    sent = 0
    while pending:
        request = pending.pop(order.randrange(len(pending)))
        sent += 1
        assert not subscriptions.complete
        pending += subscriptions.on_ack(answer(json.loads(request), bad))
    assert subscriptions.granted == set(TOPICS) - bad
    assert set(subscriptions.refused) == bad
    assert subscriptions.complete == (bad != set(TOPICS))
    assert sent <= 3 + len(TOPICS)


def test_an_answer_to_nothing_we_asked_changes_nothing() -> None:
    """A foreign or repeated request id is passed over."""
    subscriptions = Subscriptions(TOPICS[:2])
    (request,) = subscriptions.open_requests()
    for _ in range(2):
        assert subscriptions.on_ack(Ack("other", success=False, ret_msg="x")) == []
    assert subscriptions.awaited == 1
    ack = answer(json.loads(request), set())
    subscriptions.on_ack(ack)
    subscriptions.on_ack(ack)
    assert subscriptions.complete


def test_a_topic_that_is_there_already_is_granted() -> None:
    """`already subscribed` is what we wanted."""
    subscriptions = Subscriptions(TOPICS[:1])
    (request,) = subscriptions.open_requests()
    text = f"error:already subscribed,topic:{TOPICS[0]}"
    subscriptions.on_ack(Ack(json.loads(request)["req_id"], success=False, ret_msg=text))
    assert subscriptions.granted == {TOPICS[0]}


def test_a_refusal_that_may_pass_asks_for_a_new_connection() -> None:
    """Anything but an unknown name is transient, and no topic is written off for it."""
    subscriptions = Subscriptions(TOPICS[:1])
    (request,) = subscriptions.open_requests()
    busy = Ack(json.loads(request)["req_id"], success=False, ret_msg="system busy")
    with pytest.raises(SubscriptionRefusedError, match="system busy") as caught:
        subscriptions.on_ack(busy)
    assert classify(caught.value) is Failure.TRANSIENT
    assert not subscriptions.refused


def test_a_refusal_that_may_pass_costs_no_granted_topic() -> None:
    """Beside granted topics it is noted, and asked for later on the same connection."""
    subscriptions = Subscriptions(TOPICS[:1])
    (request,) = subscriptions.open_requests()
    subscriptions.on_ack(Ack(json.loads(request)["req_id"], success=True, ret_msg=""))
    (request,) = subscriptions.want(TOPICS[:2])
    follow = subscriptions.on_ack(
        Ack(json.loads(request)["req_id"], success=False, ret_msg="system busy")
    )
    assert (follow, subscriptions.granted) == ([], {TOPICS[0]})
    assert subscriptions.refused == {TOPICS[1]: "system busy"}
    assert len(subscriptions.want(TOPICS[:2])) == 1


@given(
    st.lists(st.sets(st.sampled_from(TOPICS)), min_size=1, max_size=6),
    st.sets(st.sampled_from(TOPICS), max_size=3),
    st.randoms(),
)
def test_what_is_granted_ends_as_what_is_wanted(
    steps: list[set[str]], bad: set[str], order: Any
) -> None:
    """However wishes, repeats and answers interleave; never more than 10 topics a request."""
    subscriptions = Subscriptions(())
    pending: list[bytes] = []
    wishes = list(steps)
    while pending or wishes:
        if wishes and (not pending or order.random() < 0.5):
            pending += subscriptions.want(sorted(wishes.pop(0)))
            pending += subscriptions.again(TOPICS[:3])
            continue
        request = json.loads(pending.pop(0))
        assert 1 <= len(request["args"]) <= 10
        known = bad if request["op"] == "subscribe" else set()
        pending += subscriptions.on_ack(answer(request, known))
    assert subscriptions.granted == steps[-1] - bad
    assert subscriptions.awaited == 0


def test_a_topic_asked_anew_is_left_first() -> None:
    """Unsubscribed, then subscribed: the exchange would refuse a second subscription."""
    subscriptions = Subscriptions(TOPICS[:2])
    (request,) = subscriptions.open_requests()
    subscriptions.on_ack(answer(json.loads(request), set()))
    (leave,) = subscriptions.again([TOPICS[1], TOPICS[7]])
    assert (json.loads(leave)["op"], json.loads(leave)["args"]) == ("unsubscribe", [TOPICS[1]])
    (back,) = subscriptions.on_ack(answer(json.loads(leave), set()))
    assert (json.loads(back)["op"], json.loads(back)["args"]) == ("subscribe", [TOPICS[1]])


def test_refused_topics_are_due_again_ever_later() -> None:
    """After half a minute, then a whole, at most an hour; a grant starts over."""
    refusals, now, pauses = Refusals(), 0.0, []
    for _ in range(9):
        refusals.add("t", "Invalid symbol", now)
        pause = next(step for step in range(0, 3601, 30) if refusals.take_due(now + step))
        pauses.append(pause)
        now += pause
    assert pauses == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert refusals.texts == {}
    refusals.settle(["t"])
    refusals.add("t", "Invalid symbol", now)
    assert refusals.take_due(now + 29.0) == []
    assert refusals.take_due(now + 30.0) == ["t"]
