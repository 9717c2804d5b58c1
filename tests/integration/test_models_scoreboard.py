"""The scoreboard as a process between real servers: it scores, tells, and rolls back."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

import httpx
import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition
from elasticsearch import Elasticsearch
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score
from support import stored_market
from support.documents import now_ms
from support.eventually import eventually
from support.servers import free_ports

from cryptostream.contracts import topics
from cryptostream.contracts.indices import PREFIX
from cryptostream.contracts.messages import Alert, decode
from cryptostream.models.pointing import Saved
from cryptostream.models.promotion import Promotions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptostream.models.trades import Tape

SCORED_SECONDS = 120.0
#: Then every answer has come: lag, longest horizon and longest wait.
SETTLED_MS: Final = 15_000 + 60_000 + 30_000
WINDOW_MINUTES: Final = 40
HORIZONS: Final = (1, 5, 10, 30, 60)


@dataclass(frozen=True)
class Order:
    """An order of a tape: its first row, and what it says."""

    row: int
    time_ms: int
    side: int
    price: float


def orders_of(tape: Tape) -> list[Order]:
    """Group fills of one millisecond and side, in plain Python."""
    rows = range(len(tape))
    firsts = [
        next(group)
        for _, group in groupby(rows, key=lambda row: (int(tape.time_ms[row]), int(tape.side[row])))
    ]
    return [
        Order(row, int(tape.time_ms[row]), int(tape.side[row]), float(tape.price[row]))
        for row in firsts
    ]


def went_up(orders: list[Order], at: int, horizon_ms: int) -> bool | None:
    """Answer an order by looking through what came after it; None for a tie or no answer."""
    order = orders[at]
    due = order.time_ms + horizon_ms
    for later in orders[at + 1 :]:
        if later.time_ms >= due and later.side == order.side:
            if later.time_ms - due > 30_000 or later.price == order.price:
                return None
            return later.price > order.price
    return None


@dataclass(frozen=True)
class Market:
    """A stored market whose predictions are against what happened."""

    exchange: str
    model: str
    orders: list[Order]
    p_up: dict[int, float]

    def expected(self, horizon_s: int) -> dict[str, float]:
        """Score the predictions with scikit-learn."""
        answers = [went_up(self.orders, at, horizon_s * 1000) for at in range(len(self.orders))]
        rows = [at for at, answer in enumerate(answers) if answer is not None]
        target = [int(bool(answers[at])) for at in rows]
        said = [self.p_up[self.orders[at].row] for at in rows]
        rate = float(np.mean(target))
        return {
            "n": len(rows),
            "base_rate": rate,
            "auc": roc_auc_score(target, said),
            "log_loss": log_loss(target, said),
            "base_log_loss": log_loss(target, [rate] * len(rows)),
            "brier": brier_score_loss(target, said),
            "accuracy": float(
                np.mean([(p > 0.5) == bool(t) for p, t in zip(said, target, strict=True)])
            ),
            "side_auc": roc_auc_score(target, [self.orders[at].side for at in rows]),
        }


@pytest.fixture(scope="module")
def bad_market(elasticsearch_url: str) -> Market:
    """Store half an hour that is over, predicted wrongly at ten seconds more often than not."""
    name, model = f"x{uuid4().hex[:10]}", f"m:{uuid4().hex[:8]}"
    end = now_ms() - SETTLED_MS - 30_000
    tape = stored_market.tape_until(end, orders=1_200, seed=4)
    orders, rng = orders_of(tape), np.random.default_rng(4)
    p_up: dict[int, float] = {}
    for at, order in enumerate(orders):
        wrong = 0.5 - 0.25 * (bool(went_up(orders, at, 10_000)) - 0.5)
        fills = orders[at + 1].row if at + 1 < len(orders) else len(tape)
        said = float(np.float32(np.clip(wrong + rng.normal(0, 0.1), 0.02, 0.98)))
        p_up |= dict.fromkeys(range(order.row, fills), said)

    def prediction(row: int) -> dict[str, Any]:
        direction = "up" if p_up[row] >= 0.5 else "down"
        return {"p_up": p_up[row], "direction": direction, "model": model, "no_edge": True}

    stored_market.store(elasticsearch_url, name, tape, prediction)
    return Market(name, model, orders, p_up)


@contextmanager
def running_scoreboard(
    url: str, kafka: str, market: Market, folder: Path, **settings: str
) -> Iterator[httpx.Client]:
    """Start the process; give a client of its probes; stop it by SIGTERM, which is status 0."""
    (port,) = free_ports(1)
    log = folder / "scoreboard.log"
    environment = {
        **os.environ,
        "ELASTICSEARCH_URL": url,
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "OMP_NUM_THREADS": "1",
        "SCOREBOARD_EXCHANGE": market.exchange,
        "SCOREBOARD_WINDOW_MINUTES": str(WINDOW_MINUTES),
        "SCOREBOARD_EVERY_SECONDS": "5",
        "SCOREBOARD_METRICS_PORT": str(port),
        **settings,
    }
    with log.open("wb") as output, httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        process = subprocess.Popen(
            [sys.executable, "-m", "cryptostream.models", "scoreboard"],
            env=environment, stdout=output, stderr=output,
        )  # fmt: skip
        try:
            eventually(lambda: _ready(process, client, log), within=SCORED_SECONDS, poll=0.5)
            yield client
        finally:
            process.send_signal(signal.SIGTERM)
            status = process.wait(30)
    assert status == 0, log.read_text()


def _ready(process: subprocess.Popen[bytes], client: httpx.Client, log: Path) -> bool:
    if process.poll() is not None:
        raise RuntimeError(log.read_text())
    try:
        return client.get("/readyz", timeout=10).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def search(url: str, kind: str, model: str) -> list[dict[str, Any]]:
    """Read the model's documents of a kind, oldest first."""
    with Elasticsearch(url) as client:
        client.indices.refresh(index=f"{PREFIX}-{kind}-*")
        answer = client.search(
            index=f"{PREFIX}-{kind}-*",
            query={"bool": {"should": [{"term": {name: model}} for name in ("model", "previous")]}},
            sort=[{"time": "asc"}],
            size=1_000,
        )
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def alert_of(kafka: str, exchange: str) -> Alert:
    """Read `crypto-alerts` from its start until the exchange's bad model is told of."""
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": f"t-{uuid4()}"})
    partitions = consumer.list_topics(topics.ALERTS, 30).topics[topics.ALERTS].partitions
    consumer.assign([TopicPartition(topics.ALERTS, number, 0) for number in partitions])

    def told() -> Alert | None:
        for message in consumer.consume(500, 0.5):
            if message.error() is None and exchange.encode() in (message.value() or b""):
                found = decode(message.value(), Alert)
                if found.rule == "model_worse_than_base":
                    return found
        return None

    try:
        found = eventually(told, within=60)
        assert found
        return found
    finally:
        consumer.close()


def test_a_bad_model_is_scored_told_and_rolled_back(
    elasticsearch_url: str, kafka_bootstrap: str, bad_market: Market, tmp_path: Path
) -> None:
    """Scores equal scikit-learn's, Kafka has the alert, and the model before serves again."""
    pointer = tmp_path / "model.json"
    promotions = Promotions(pointer, now_ms)
    promotions.promote(Saved("m:before", "0" * 64), "first")
    promotions.promote(Saved(bad_market.model, "1" * 64), "second")
    with running_scoreboard(
        elasticsearch_url, kafka_bootstrap, bad_market, tmp_path, SCOREBOARD_POINTER=str(pointer)
    ) as client:
        metrics = client.get("/metrics").text
        alert = alert_of(kafka_bootstrap, bad_market.exchange)
    labels = f'group="all",horizon="10",model="{bad_market.model}"'
    assert f"cryptostream_models_live_auc{{{labels}}}" in metrics
    assert alert.severity == "critical"
    assert bad_market.model in alert.message
    assert alert.evidence["low"] > 0

    current = promotions.current()
    assert current is not None
    assert current.tag == "m:before"
    (change,) = search(elasticsearch_url, "models", bad_market.model)
    assert (change["event"], change["model"]) == ("rolled_back", "m:before")
    assert change["previous"] == bad_market.model
    assert change["reason"].startswith("live: ")

    scores = search(elasticsearch_url, "scores", bad_market.model)
    newest = {
        one["horizon"]: one for one in scores if one["group"] == "all"
    }  # later ones replace earlier ones
    assert tuple(sorted(newest)) == HORIZONS
    for horizon_s, document in newest.items():
        expected = bad_market.expected(horizon_s)
        assert {name: document[name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert newest[10]["no_edge"] is True


def test_without_a_pointer_nothing_is_rolled_back(
    elasticsearch_url: str, kafka_bootstrap: str, bad_market: Market, tmp_path: Path
) -> None:
    """The scoreboard alone only tells: it touches no pointer that it wasn't given."""
    promotions = Promotions(tmp_path / "model.json", now_ms)
    promotions.promote(Saved("m:before", "0" * 64), "first")
    promotions.promote(Saved(bad_market.model, "1" * 64), "second")
    with running_scoreboard(elasticsearch_url, kafka_bootstrap, bad_market, tmp_path) as client:
        metrics = client.get("/metrics").text
    (low,) = re.findall(r'cryptostream_models_live_excess_loss{bound="low"} (\S+)', metrics)
    assert float(low) > 0
    current = promotions.current()
    assert current is not None
    assert current.tag == bad_market.model
