"""Trades settled in the executors: the driver placement's truth, with tasks killed at work."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING
from zlib import crc32

import numpy as np
import pytest
from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.http_server import answering
from support.search_proxy import SearchProxy, search_proxy, well
from support.stream import StreamProcess, running_stream
from support.stream_truth import check_candles, documents, expected_features, ids, make_trades

from cryptostream.contracts.features import FEATURE_NAMES

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from support.search_proxy import Answer, Fault, Forward

MODEL = "fake:1"


def score(vector: list[float]) -> float:
    """Score a vector as the fake predictor does, by nothing but its bytes."""
    return float(np.float32(crc32(np.array(vector, "<f4").tobytes()) / 2**33))


def _predict(_path: str, body: bytes) -> tuple[int, bytes]:
    rows = np.frombuffer(body, "<f4").reshape(-1, len(FEATURE_NAMES))
    return 200, np.array([crc32(row.tobytes()) / 2**33 for row in rows], "<f4").tobytes()


@pytest.fixture
def proxy(elasticsearch_url: str) -> Iterator[tuple[SearchProxy, str]]:
    """Give a proxy before the session's Elasticsearch, and its URL."""
    with search_proxy(elasticsearch_url) as running:
        yield running


@pytest.fixture
def stream(
    kafka_bootstrap: str, proxy: tuple[SearchProxy, str], tmp_path: Path
) -> Iterator[StreamProcess]:
    """Give a running stream that settles trades in Python workers, and predicts."""
    settings = {"STREAM_PLACEMENT": "executors"}
    with (
        answering(_predict, {"model": MODEL, "no-edge": "true"}) as url,
        running_stream(
            kafka_bootstrap, proxy[1], tmp_path, predictor_url=url, settings=settings
        ) as process,
    ):
        yield process


def _killing(proxy: SearchProxy, stream: StreamProcess, killed: list[int]) -> Fault:
    """Kill the Python workers once, after one of them had its bulk of trades applied."""

    def fault(body: bytes, forward: Forward) -> Answer:
        answer = forward(body)
        if b'{"create"' in body and proxy.fault is not well:
            proxy.fault = well
            killed.append(stream.kill_children("pyspark.daemon"))
            raise ConnectionAbortedError
        return answer

    return fault


def test_killed_tasks_lose_and_double_nothing(
    stream: StreamProcess, proxy: tuple[SearchProxy, str], elasticsearch_url: str
) -> None:
    """Their batch goes on: the same documents, features, scores and candles, counted once."""
    killed: list[int] = []
    proxy[0].fault = _killing(proxy[0], stream, killed)
    trades = make_trades(stream.exchange, 2_000)
    stream.produce([trade for trade in trades for _ in range(1 + (trade.seq % 5 == 0))])
    eventually(stream.drained, within=120, poll=0.5)
    assert killed[0] > 1
    client = Elasticsearch(elasticsearch_url)
    found = documents(client, "trades", stream.exchange)
    assert found.keys() == ids(trades)
    assert {i: d["features"] for i, d in found.items()} == expected_features(trades)
    for one in found.values():
        said = one["prediction"]
        assert (said["model"], said["p_up"]) == (MODEL, score(one["features"]))
    check_candles(client, trades)
    counted = stream.metric("trades_total")
    assert counted["written",] + counted["existed",] == 2_000
    assert counted["existed",] > 0
    assert stream.metric("predictions_total") == {("ok",): 2_000}
    assert stream.metric("duplicates_total") == {("trades",): 400}
    assert stream.stop(signal.SIGTERM) == 0, stream.log
