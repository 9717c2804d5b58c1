"""What a drill of the stream ends with: nothing lost, nothing twice, and every number right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from support.eventually import eventually
from support.stream_truth import documents, expected_candles, expected_features, ids

if TYPE_CHECKING:
    from collections.abc import Sequence

    from elasticsearch import Elasticsearch
    from support.stream import StreamProcess

    from cryptostream.contracts.trade import Trade

#: The drill's end, whatever the machine is busy with.
DRAIN_SECONDS = 300


def check(client: Elasticsearch, stream: StreamProcess, trades: Sequence[Trade]) -> None:
    """Hold documents, features and candles against the trades."""
    eventually(stream.drained, within=DRAIN_SECONDS, poll=0.5)
    found = documents(client, "trades", stream.exchange)
    assert found.keys() == ids(trades)
    assert {i: d["features"] for i, d in found.items()} == expected_features(trades)
    eventually(lambda: not _wrong_candles(client, trades), within=60, poll=0.5)


def _wrong_candles(client: Elasticsearch, trades: Sequence[Trade]) -> list[str]:
    """Name the candles that don't say what their trades say.

    Volatility apart: after an outage one partition may be read ahead of the other, and late
    trades leave it as it is.
    """
    found = documents(client, "candles", trades[0].exchange)
    wrong = []
    for identity, values in expected_candles(trades).items():
        del values["volatility"]
        told = {name: found.get(identity, {}).get(name) for name in values}
        if told != pytest.approx(values, rel=1e-9, abs=1e-12):
            wrong.append(identity)
    return wrong
