"""Kill -9 in the whole stack: what Kafka acknowledged is one document each, whoever dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.stack import Stack, running_stack

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system
RATE = 300
#: Trades that must arrive before and after a kill, so that it hits a stream at work.
ENOUGH = 2_000


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    """Give a running stack."""
    with running_stack(RATE) as running:
        yield running


@pytest.mark.parametrize("victim", ["stream", "predictor", "ingest-0"])
def test_a_kill_loses_and_doubles_nothing_that_kafka_has(stack: Stack, victim: str) -> None:
    """The victim of kill -9 comes back by itself, and every trade in Kafka is one document."""
    stack.more(ENOUGH)
    stack.kill(victim)
    stack.more(ENOUGH)
    with stack.drained() as told:
        assert told.kafka >= 2 * ENOUGH
        assert told.lost_after_kafka == ()
        assert told.duplicates == ()
        if victim != "ingest-0":
            # Only a dead ingest can miss what the exchange sends meanwhile.
            assert told.kafka == told.sent


def test_predictions_return_after_the_predictor_was_killed(stack: Stack) -> None:
    """Without a predictor trades are indexed with the reason; afterwards they are scored again."""
    stack.kill("predictor")
    with Elasticsearch(stack.url("elasticsearch")) as client:

        def newest_is_scored() -> bool:
            answer = client.search(index="crypto-trades-*", size=1, sort=[{"stream_time": "desc"}])
            return "p_up" in answer["hits"]["hits"][0]["_source"]["prediction"]

        eventually(newest_is_scored, within=60, poll=0.5)
        without = client.count(
            index="crypto-trades-*",
            query={"bool": {"must_not": {"exists": {"field": "prediction.p_up"}}}},
        )["count"]
        reasons = client.count(
            index="crypto-trades-*", query={"exists": {"field": "prediction.reason"}}
        )["count"]
    assert without == reasons > 0
