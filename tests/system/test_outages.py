"""A minute without Kafka, Elasticsearch or the stream: the board says so, nothing is lost.

`make drill-outages`; the victim's processes are stopped, not killed, as in a long pause of a
machine.
"""

from __future__ import annotations

import json
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import psutil
import pytest
from confluent_kafka import Producer
from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.stack import Stack, running_stack

from cryptostream.contracts.messages import Alert, encode
from cryptostream.contracts.topics import ALERTS

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.system, pytest.mark.drill]
RATE = 200
ENOUGH = 2_000
OUTAGE_SECONDS = 60.0
#: The board tells an outage, and its end, within this.
TOLD_SECONDS = 30.0
BACK_SECONDS = 180.0


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Give a running stack."""
    with running_stack(RATE) as running:
        yield running


@contextmanager
def paused(stack: Stack, name: str) -> Iterator[float]:
    """Stop a component's processes for `OUTAGE_SECONDS` at least; give when that began."""
    leader = psutil.Process(stack.component(name)["pid"])
    tree = [leader, *leader.children(recursive=True)]
    for one in tree:
        one.suspend()
    began = time.monotonic()
    try:
        yield began
        eventually(lambda: time.monotonic() - began > OUTAGE_SECONDS, within=OUTAGE_SECONDS)
    finally:
        for one in tree:
            if one.is_running():
                one.resume()


def pulse(board: str) -> dict[str, Any]:
    """Give what the board tells every viewer of the pipeline each second."""
    with urllib.request.urlopen(f"{board}/api/stream?symbol=BTCUSDT", timeout=15) as lines:
        for line in lines:
            if line.startswith(b"data:") and b'"elasticsearch"' in line:
                found: dict[str, Any] = json.loads(line.removeprefix(b"data:"))
                return found
    raise AssertionError("the board ended its stream")


def says_down(victim: str, told: dict[str, Any]) -> bool:
    """Tell whether the pulse names the outage: a server that is gone, or trades that are old."""
    if victim == "stream":
        return bool(told["age_ms"] and told["age_ms"] > 10_000)
    return told[victim]["ok"] is False


def says_well(told: dict[str, Any]) -> bool:
    """Tell whether both servers answer and trades are fresh."""
    fresh = told["age_ms"] is not None and told["age_ms"] < 5_000
    return bool(told["kafka"]["ok"] and told["elasticsearch"]["ok"] and fresh)


def raise_alert(stack: Stack, what: str) -> str:
    """Put a critical alert into Kafka, as the stream does; give its id."""
    symbol = f"T{uuid4().hex[:8].upper()}"
    one = Alert(
        alert_id=f"{what}:{symbol}", rule="price_jump", severity="critical", exchange="bybit",
        category="spot", symbol=symbol, time=time.time_ns() // 1_000_000, value=7.0, baseline=1.0,
        threshold=4.0, message=f"a test of {what}", evidence={},
    )  # fmt: skip
    producer = Producer({"bootstrap.servers": stack.bootstrap, "acks": "all"})
    producer.produce(ALERTS, encode(one))
    assert producer.flush(120) == 0
    return one.alert_id


def delivered(stack: Stack, alert_id: str) -> list[str]:
    """Give the states of an alert's receipts."""
    with Elasticsearch(stack.url("elasticsearch"), request_timeout=30) as client:
        found = client.search(
            index="crypto-receipts-*", size=10, query={"term": {"alert_id": alert_id}}
        )
    return [hit["_source"]["state"] for hit in found["hits"]["hits"]]


@pytest.mark.parametrize("victim", ["elasticsearch", "stream", "kafka"])
def test_a_minute_without_it_is_told_and_outlasted(stack: Stack, victim: str) -> None:
    """The board says what is down and that it is back; trades and alerts arrive once each."""
    board = stack.url("board")
    eventually(lambda: says_well(pulse(board)), within=BACK_SECONDS, poll=0.5)
    raised = [raise_alert(stack, f"before {victim}")]
    with paused(stack, victim) as began:
        eventually(lambda: says_down(victim, pulse(board)), within=TOLD_SECONDS, poll=0.5)
        told = time.monotonic() - began
        if victim != "kafka":
            raised.append(raise_alert(stack, f"during {victim}"))
    back = time.monotonic()
    eventually(lambda: says_well(pulse(board)), within=BACK_SECONDS, poll=0.5)
    healed = time.monotonic() - back
    sys.stdout.write(f"{victim}: told after {told:.1f} s, well {healed:.1f} s after its end\n")
    raised.append(raise_alert(stack, f"after {victim}"))
    stack.more(ENOUGH)
    with stack.drained() as found:
        assert found.lost_after_kafka == ()
        assert found.duplicates == ()
    for alert_id in raised:
        eventually(lambda one=alert_id: delivered(stack, one) == ["sent"], within=60, poll=0.5)
        assert stack.log("alerts").count(f"a test of {alert_id.split(':')[0]}") == 1
