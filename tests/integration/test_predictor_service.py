"""The real service, as a process: it scores, refuses, swaps models and stops cleanly."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any, Self

import httpx
import joblib
import numpy as np
import pytest
from support.eventually import eventually
from support.predictor import (
    PredictorProcess,
    Workshop,
    columns_of,
    running_predictor,
)

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES_HASH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROWS = np.random.default_rng(0).standard_normal((500, FEATURE_COUNT))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Train a model."""
    made = Workshop(tmp_path_factory.mktemp("predictor"))
    made.train(seed=1)
    return made


@pytest.fixture(scope="module")
def predictor(workshop: Workshop) -> Iterator[PredictorProcess]:
    """Serve it."""
    with running_predictor(workshop) as running:
        yield running


def pointed(workshop: Workshop) -> dict[str, str]:
    """Read the pointer."""
    answer: dict[str, str] = json.loads(workshop.pointer.read_text())
    return answer


def offline(workshop: Workshop, tag: str) -> Any:
    """Score the rows with the saved file and scikit-learn alone."""
    name, version = tag.split(":")
    model = joblib.load(workshop.store / "models" / name / version / "saved_model.pkl")
    return model.predict_proba(ROWS.astype(np.float32))[:, 1]


def test_answers_equal_offline_scoring(workshop: Workshop, predictor: PredictorProcess) -> None:
    """The service answers what scikit-learn gives offline, to 1e-12, and names its model."""
    answer = predictor.predict(columns_of(ROWS)).json()
    assert answer["model"] == pointed(workshop)["tag"]
    assert answer["no_edge"] is True
    assert answer["p_up"] == pytest.approx(offline(workshop, answer["model"]), abs=1e-12)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "Invalid JSON"),
        (b"{}", "Field required"),
        (b"not json", "Invalid JSON"),
        (b"[" * 100_000, "Invalid JSON"),
        (b'{"features_hash": "x", "columns": {}}', "another version of the features"),
        (b'{"features_hash": "%(hash)s", "columns": {}}', "columns lack ofi_1s"),
        (b'{"features_hash": "%(hash)s", "columns": [1]}', "should be an object"),
        (b'{"features_hash": "%(hash)s", "columns": {"macd": [null]}}', "valid number"),
    ],
)
def test_bad_bodies_are_answered_400(predictor: PredictorProcess, body: bytes, reason: str) -> None:
    """A body that is no request is answered 400 with what is wrong."""
    answer = predictor.client.post(
        "/predict",
        content=body.replace(b"%(hash)s", FEATURES_HASH.encode()),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 400
    assert reason in answer.text


@pytest.mark.parametrize(
    ("literal", "reason"),
    [
        ("NaN", "Invalid JSON"),
        ("-Infinity", "Invalid JSON"),
        ("1e400", "Invalid JSON"),
        ("1e39", "column macd is not finite at row 0"),
        ("1, 2", "column macd has 2 rows, ofi_1s has 1"),
    ],
)
def test_bad_numbers_are_answered_400(
    predictor: PredictorProcess, literal: str, reason: str
) -> None:
    """Numbers that are not finite, and columns of unequal length, are answered 400."""
    columns = ", ".join(f'"{name}": [{literal if name == "macd" else 0}]' for name in FEATURE_NAMES)
    body = f'{{"features_hash": "{FEATURES_HASH}", "columns": {{{columns}}}}}'
    answer = predictor.client.post(
        "/predict", content=body, headers={"content-type": "application/json"}
    )
    assert answer.status_code == 400
    assert reason in answer.text


@pytest.mark.parametrize("rows", [0, 20_001])
def test_empty_and_oversized_calls_are_answered_400(predictor: PredictorProcess, rows: int) -> None:
    """No rows, and more than the bound, are answered 400."""
    answer = predictor.predict({name: [0.0] * rows for name in FEATURE_NAMES})
    assert answer.status_code == 400
    assert f"{rows} rows" in answer.text


def test_pickles_are_refused(predictor: PredictorProcess) -> None:
    """A pickled body is refused unread: to unpickle a stranger's bytes is to run them."""
    answer = predictor.client.post(
        "/predict",
        content=b"cos\nsystem\n.",
        headers={"content-type": "application/vnd.bentoml+pickle"},
    )
    assert answer.status_code == 415


def test_a_huge_body_is_refused(predictor: PredictorProcess) -> None:
    """A body above the bound is answered 413."""
    answer = predictor.client.post("/predict", content=b" " * (17 * 1024 * 1024))
    assert answer.status_code == 413


def test_probes_metrics_and_description(workshop: Workshop, predictor: PredictorProcess) -> None:
    """The probes answer, the metrics count rows and name the model, the API describes itself."""
    before = predictor.metric('cryptostream_predictor_rows_total{route="predict"}')
    predictor.predict(columns_of(ROWS[:7]))
    assert predictor.metric('cryptostream_predictor_rows_total{route="predict"}') == before + 7
    info = f'cryptostream_predictor_model_info{{model="{pointed(workshop)["tag"]}",no_edge="true"}}'
    assert predictor.metric(info) == 1
    assert predictor.client.get("/livez").status_code == 200
    paths = predictor.client.get("/docs.json").json()["paths"]
    assert "/predict" in paths


def test_bad_input_leaves_no_traceback_in_the_log(predictor: PredictorProcess) -> None:
    """A sender's mistakes don't fill the log."""
    for _ in range(3):
        predictor.client.post("/predict", content=b"{}")
        predictor.predict({})
    assert "Traceback" not in predictor.log.read_text()


class Load:
    """Predicts without pause in threads of its own, and keeps what was answered."""

    def __init__(self, url: httpx.URL, threads: int) -> None:
        self.answers: list[tuple[int, str]] = []
        self.failures: list[str] = []
        self._url = url
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        body = {"features_hash": FEATURES_HASH, "columns": columns_of(ROWS[:50])}
        with httpx.Client(base_url=self._url, timeout=30) as client:
            while not self._stop.is_set():
                try:
                    answer = client.post("/predict", json=body)
                    self.answers.append((answer.status_code, answer.json()["model"]))
                except (httpx.HTTPError, ValueError, KeyError) as error:
                    self.failures.append(repr(error))

    def models(self) -> set[str]:
        """Give the models that have answered."""
        return {model for _, model in self.answers}


def test_a_model_is_swapped_under_load_without_a_failed_request(
    workshop: Workshop, predictor: PredictorProcess
) -> None:
    """Training anew swaps the model while requests go on: none fails, each names its model."""
    old = pointed(workshop)["tag"]
    with Load(predictor.client.base_url, threads=2) as load:
        eventually(lambda: old in load.models(), within=30)
        new = workshop.train(seed=2).tag
        eventually(lambda: new in load.models(), within=30)
    assert not load.failures
    assert {status for status, _ in load.answers} == {200}
    assert load.models() == {old, new}


def test_a_bad_pointer_keeps_the_old_model(workshop: Workshop, predictor: PredictorProcess) -> None:
    """A pointer with another checksum is counted as an error; the old model goes on serving."""
    good = workshop.pointer.read_text()
    model = predictor.predict(columns_of(ROWS[:1])).json()["model"]
    name = 'cryptostream_predictor_reloads_total{result="error"}'
    before = predictor.metric(name)
    workshop.pointer.write_text(good.replace(pointed(workshop)["sha256"], "0" * 64))
    try:
        eventually(lambda: predictor.metric(name) > before, within=10)
        assert predictor.predict(columns_of(ROWS[:1])).json()["model"] == model
        assert predictor.client.get("/readyz").status_code == 200
    finally:
        workshop.pointer.write_text(good)


def start(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Start a predictor that is expected to end by itself."""
    return subprocess.run(
        [sys.executable, "-m", "cryptostream.predictor"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_port_in_use_ends_with_one_line_and_status_2(workshop: Workshop) -> None:
    """A taken port is named with its remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = start(workshop.environment(taken.getsockname()[1]))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "Address already in use; set PREDICTOR_PORT" in line


def test_a_missing_model_ends_with_one_line_and_status_2(tmp_path: Path) -> None:
    """No pointer, no model behind it, or no setting: one line with the remedy, status 2."""
    empty = Workshop(tmp_path)
    environment = empty.environment(1)
    environment["PREDICTOR_PORT"] = "0"
    assert "PREDICTOR_PORT" in start(environment).stderr
    environment["PREDICTOR_PORT"] = str(free_port())
    done = start(environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "No such file or directory; train one" in done.stderr
    empty.pointer.write_text(json.dumps({"tag": "trade-direction:gone", "sha256": "0" * 64}))
    done = start(environment)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert "trade-direction:gone" in done.stderr


def free_port() -> int:
    """Give a port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_sigterm_ends_it_cleanly(workshop: Workshop) -> None:
    """SIGTERM ends the process with status 0 within seconds."""
    with running_predictor(workshop) as running:
        running.process.send_signal(signal.SIGTERM)
        assert running.process.wait(10) == 0
