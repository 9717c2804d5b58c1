"""Rounds of learning between real servers: from stored trades to the model that answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from elasticsearch import Elasticsearch
from support import stored_market
from support.documents import now_ms
from support.eventually import eventually
from support.predictor import Workshop, running_predictor

from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.contracts.indices import PREFIX
from cryptostream.models.promotion import Promotions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

#: The newest trades may not be searchable yet; a round leaves them out.
LAG_MS = 20_000
SWAP_SECONDS = 30.0


def run(workshop: Workshop, url: str, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the models room as a user would."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "cryptostream.models", name),
            *("--pointer", str(workshop.pointer), *more),
        ],
        env={**os.environ, "ELASTICSEARCH_URL": url, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def learn(workshop: Workshop, url: str, exchange: str, *more: str) -> None:
    """Do one round on an exchange's trades, with small models."""
    done = run(
        workshop, url, "learn", "--once", "--store", str(workshop.store), "--exchange", exchange,
        "--hours", "3", "--trees", "10", "--max-rows", "1000", "--min-blocks", "10",
        "--dwell", "1s", *more,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def told(client: Elasticsearch, since_ms: int) -> list[dict[str, Any]]:
    """Read what was told of models since then, oldest first."""
    client.indices.refresh(index=f"{PREFIX}-models-*")
    answer = client.search(
        index=f"{PREFIX}-models-*",
        query={"range": {"time": {"gte": since_ms}}},
        sort=[{"time": "asc"}],
        size=1_000,
    )
    return [hit["_source"] for hit in answer["hits"]["hits"]]


def events(steps: Sequence[Mapping[str, Any]]) -> list[str]:
    """Give the steps' names."""
    return [step["event"] for step in steps]


@pytest.fixture(scope="module")
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    """Give a client of the real server."""
    with Elasticsearch(elasticsearch_url) as found:
        yield found


@pytest.fixture(scope="module")
def null_market(elasticsearch_url: str) -> str:
    """Store an hour with nothing to learn; gives its exchange."""
    name = f"x{uuid4().hex[:10]}"
    stored_market.store(
        elasticsearch_url, name, stored_market.tape_until(now_ms() - LAG_MS, seed=2)
    )
    return name


@pytest.fixture(scope="module")
def planted_market(elasticsearch_url: str) -> str:
    """Store an hour whose mid follows the flow; gives its exchange."""
    name = f"x{uuid4().hex[:10]}"
    tape = stored_market.tape_until(now_ms() - LAG_MS, seed=1, impact=0.4)
    stored_market.store(elasticsearch_url, name, tape)
    return name


@pytest.fixture(scope="module")
def workshop(
    elasticsearch_url: str, null_market: str, tmp_path_factory: pytest.TempPathFactory
) -> Workshop:
    """Give a store whose first model comes from a round on the market with nothing to learn."""
    made = Workshop(tmp_path_factory.mktemp("rounds"))
    learn(made, elasticsearch_url, null_market)
    return made


def pointed(workshop: Workshop) -> str:
    """Read the tag in the pointer."""
    return str(json.loads(workshop.pointer.read_text())["tag"])


def test_the_first_round_serves_a_model_that_claims_nothing(
    workshop: Workshop, client: Elasticsearch
) -> None:
    """Its steps are told one by one; where nothing is to be learnt the model has no edge."""
    first = pointed(workshop)
    steps = [step for step in told(client, 0) if step["event"] != "rolled_back"]
    at = next(n for n, step in enumerate(steps) if step.get("model") == first)
    round_of_it = steps[at - 8 : at + 1]
    assert events(round_of_it) == [
        "null_world", "exported", *["trained"] * 3, *["evaluated"] * 3, "promoted",
    ]  # fmt: skip
    exported, promoted = round_of_it[1], round_of_it[-1]
    assert exported["rows"] == promoted["rows"] or exported["data_hash"] == promoted["data_hash"]
    assert promoted["no_edge"] is True
    assert promoted["features_hash"] == FEATURES_HASH
    (change,) = Promotions(workshop.pointer, now_ms).history()
    assert (change.event, change.model) == ("promoted", first)


def test_a_market_with_nothing_to_learn_promotes_nothing_more(
    workshop: Workshop, elasticsearch_url: str, null_market: str, client: Elasticsearch
) -> None:
    """Challengers of another seed gain nothing with certainty: the gate refuses them."""
    before, since = pointed(workshop), now_ms()
    learn(workshop, elasticsearch_url, null_market, "--seed", "5")
    assert pointed(workshop) == before
    last = told(client, since)[-1]
    assert last["event"] == "refused"
    assert last["reason"].startswith("gain:")
    assert last["gain_low"] <= 0


def test_a_planted_effect_is_learnt_served_and_taken_back(
    workshop: Workshop, elasticsearch_url: str, planted_market: str, client: Elasticsearch
) -> None:
    """The better model passes the gate, the predictor takes it, and a rollback gives it up."""
    first, since = pointed(workshop), now_ms()
    with running_predictor(workshop) as predictor:
        learn(workshop, elasticsearch_url, planted_market)
        better = pointed(workshop)
        assert better != first
        promoted = told(client, since)[-1]
        assert (promoted["event"], promoted["model"]) == ("promoted", better)
        assert promoted["previous"] == first
        assert promoted["gain_low"] > 0
        serves = lambda: predictor.client.get("/readyz").json()["model"]  # noqa: E731
        eventually(lambda: serves() == better, within=SWAP_SECONDS)
        done = run(workshop, elasticsearch_url, "rollback", "--reason", "a drill")
        assert done.returncode == 0, done.stderr
        eventually(lambda: serves() == first, within=SWAP_SECONDS)
    changes = Promotions(workshop.pointer, now_ms).history()
    assert [(one.event, one.model) for one in changes[-2:]] == [
        ("promoted", better),
        ("rolled_back", first),
    ]
    back = told(client, since)[-1]
    assert {name: back[name] for name in ("event", "model", "previous", "reason")} == {
        "event": "rolled_back", "model": first, "previous": better, "reason": "a drill",
    }  # fmt: skip


def test_a_rollback_does_not_wait_for_a_server(workshop: Workshop, tmp_path: Path) -> None:
    """Without Elasticsearch the pointer goes back all the same; one line says what wasn't told."""
    other = Workshop(tmp_path)
    promotions = Promotions(other.pointer, now_ms)
    current = Promotions(workshop.pointer, now_ms).current()
    assert current is not None
    promotions.promote(current._replace(tag="m:older"), "")
    promotions.promote(current, "")
    done = run(other, "http://127.0.0.1:9", "rollback")
    assert done.returncode == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith("rollback: done, and told in the log only")
    assert pointed(other) == "m:older"


def test_a_round_without_trades_is_put_off(workshop: Workshop, elasticsearch_url: str) -> None:
    """Where nothing is stored a round ends with status 1 and leaves the model in service."""
    before = pointed(workshop)
    done = run(
        workshop, elasticsearch_url, "learn", "--once", "--store", str(workshop.store),
        "--exchange", "nobody", "--trees", "2", "--max-rows", "100",
    )  # fmt: skip
    assert done.returncode == 1
    assert "no trades are stored in the range" in done.stdout + done.stderr
    assert pointed(workshop) == before
