"""The bulk writer between a real Elasticsearch and its bad days: nothing lost, nothing twice."""

from __future__ import annotations

import json
import random
import uuid
from typing import TYPE_CHECKING

import pytest
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from support.search_proxy import busy, refusing, search_proxy, unheard, well

from cryptostream.stream.bulk import BulkWriter
from cryptostream.stream.documents import Action

if TYPE_CHECKING:
    from collections.abc import Iterator

    from support.search_proxy import Answer, Fault, Forward

COUNT = 500
#: So many requests meet the fault before it ends.
BAD = 3


@pytest.fixture
def index(elasticsearch_url: str) -> Iterator[str]:
    """Give the name of an index of the test's own, gone afterwards."""
    name = f"drill-{uuid.uuid4().hex[:8]}"
    yield name
    Elasticsearch(elasticsearch_url).indices.delete(index=name, ignore_unavailable=True)


def _actions(index: str) -> list[Action]:
    return [
        Action(
            json.dumps({"create": {"_index": index, "_id": str(number)}}).encode() + b"\n",
            json.dumps({"number": number}).encode() + b"\n",
        )
        for number in range(COUNT)
    ]


def _for_a_while(fault: Fault) -> Fault:
    """Let a fault end after `BAD` requests."""
    calls = iter(range(BAD))

    def passing(body: bytes, forward: Forward) -> Answer:
        return well(body, forward) if next(calls, None) is None else fault(body, forward)

    return passing


def _tenth() -> Fault:
    rng = random.Random(1)
    return refusing(429, lambda _header: rng.random() < 0.1)


def _numbers(client: Elasticsearch, index: str) -> list[int]:
    client.indices.refresh(index=index)
    return sorted(hit["_source"]["number"] for hit in scan(client, index=index))


@pytest.mark.parametrize(
    "fault",
    [_tenth(), busy(429), busy(503), unheard],
    ids=["a tenth of the items 429", "429", "503", "applied, unheard"],
)
def test_a_bad_day_loses_and_doubles_nothing(
    elasticsearch_url: str, index: str, fault: Fault
) -> None:
    """Every document is there once when the call returns, and it waited longer each time."""
    naps: list[float] = []
    with search_proxy(elasticsearch_url) as (proxy, url):
        proxy.fault = _for_a_while(fault)
        client = Elasticsearch(url, max_retries=0, request_timeout=60)
        outcome = BulkWriter(client, sleep=naps.append).write(_actions(index))
    assert outcome.written + outcome.existed == COUNT
    assert outcome.retried > 0
    assert len(naps) >= 2
    assert naps == sorted(naps)
    assert _numbers(Elasticsearch(elasticsearch_url), index) == list(range(COUNT))


def test_refused_documents_leave_the_others_alone(elasticsearch_url: str, index: str) -> None:
    """Of a bulk in which one in a hundred is poison, the rest is there and poison is told."""
    actions = _actions(index)
    actions[::100] = [one._replace(body=b'{"number":"none"}\n') for one in actions[::100]]
    client = Elasticsearch(elasticsearch_url, max_retries=0)
    client.indices.create(
        index=index, mappings={"dynamic": "strict", "properties": {"number": {"type": "long"}}}
    )
    outcome = BulkWriter(client).write(actions)
    assert [one.status for one in outcome.refused] == [400] * 5
    assert all("number" in one.reason for one in outcome.refused)
    assert _numbers(client, index) == [number for number in range(COUNT) if number % 100]


def test_a_read_only_index_is_waited_for(elasticsearch_url: str, index: str) -> None:
    """What Elasticsearch does when its disk is full ends without a loss when it is freed."""
    client = Elasticsearch(elasticsearch_url, max_retries=0, request_timeout=60)
    client.indices.create(index=index)
    block = "index.blocks.read_only_allow_delete"
    client.indices.put_settings(index=index, settings={block: True})
    naps: list[float] = []

    def sleep(seconds: float) -> None:
        naps.append(seconds)
        if len(naps) == BAD:
            client.indices.put_settings(index=index, settings={block: None})

    outcome = BulkWriter(client, sleep=sleep).write(_actions(index))
    assert (outcome.written, outcome.refused) == (COUNT, ())
    assert _numbers(client, index) == list(range(COUNT))
