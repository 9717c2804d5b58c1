"""The real service, as a process: it scores, refuses, swaps models and stops cleanly."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import httpx
import joblib
import numpy as np
import psutil
import pytest
import yaml
from sklearn.tree import DecisionTreeClassifier
from support.eventually import eventually
from support.predictor import (
    PredictorProcess,
    Workshop,
    columns_of,
    running_predictor,
)

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES_HASH
from cryptostream.models.pointing import Saved, write_pointer
from cryptostream.models.promotion import Promotions

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
    """The service answers what scikit-learn gives offline, bit for bit, and names its model."""
    answer = predictor.predict(columns_of(ROWS)).json()
    assert answer["model"] == pointed(workshop)["tag"]
    assert answer["no_edge"] is True
    assert answer["p_up"] == offline(workshop, answer["model"]).tolist()


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


def test_models_are_swapped_under_load_without_a_failed_request(
    workshop: Workshop, predictor: PredictorProcess
) -> None:
    """Across a promotion and a rollback 1,000 requests and more go on: none fails or mixes."""
    old = pointed(workshop)
    first = Saved(old["tag"], old["sha256"])
    second = workshop.train(seed=7)
    write_pointer(workshop.pointer, first)
    promotions = Promotions(workshop.pointer, lambda: time.time_ns() // 1_000_000)
    with Load(predictor.client.base_url, threads=4) as load:
        eventually(lambda: first.tag in load.models(), within=60)
        promotions.promote(Saved(second.tag, second.sha256), "better")
        eventually(lambda: second.tag in load.models(), within=60)
        promotions.rollback("asked for")
        eventually(lambda: load.answers[-1][1] == first.tag, within=60)
        eventually(lambda: len(load.answers) >= 1_000, within=120)
    assert not load.failures
    assert {status for status, _ in load.answers} == {200}
    assert load.models() == {first.tag, second.tag}


@pytest.mark.parametrize("damage", ["corrupt", "truncated", "foreign"])
def test_a_damaged_model_is_refused_and_shows(
    workshop: Workshop, predictor: PredictorProcess, damage: str
) -> None:
    """The old model goes on serving; metric and probe say what is wrong, until it is right."""
    good = pointed(workshop)
    other = workshop.train(seed=7)
    path = workshop.store / "models" / other.tag.replace(":", "/") / "saved_model.pkl"
    whole = path.read_bytes()
    spoilt = {"corrupt": b"x" + whole[1:], "truncated": whole[:-10], "foreign": b"{}"}[damage]
    write_pointer(workshop.pointer, Saved(good["tag"], good["sha256"]))
    # Training pointed at the new model; only once the old one is back will it be read anew.
    eventually(lambda: predictor.client.get("/readyz").json()["model"] == good["tag"], within=10)
    path.write_bytes(spoilt)
    write_pointer(workshop.pointer, Saved(other.tag, other.sha256))
    try:
        eventually(lambda: "sha256" in predictor.client.get("/readyz").json()["refused"], within=10)
        assert predictor.metric("cryptostream_predictor_model_refused") == 1
        assert predictor.predict(columns_of(ROWS[:1])).json()["model"] == good["tag"]
    finally:
        write_pointer(workshop.pointer, Saved(good["tag"], good["sha256"]))
    eventually(lambda: not predictor.client.get("/readyz").json()["refused"], within=10)


def grown(features: int = FEATURE_COUNT, answers: int = 2) -> Any:
    """Grow a tree on so many features and answers."""
    rows = np.random.default_rng(0).standard_normal((300, features))
    return DecisionTreeClassifier(max_depth=3).fit(rows, np.arange(300) % answers)


def kept(workshop: Workshop, version: str, model: Any, card: dict[str, Any]) -> Saved:
    """Keep a model in the store beside the good one, whose card it has but for some entries."""
    name, good = pointed(workshop)["tag"].split(":")
    folder = workshop.store / "models" / name / version
    shutil.copytree(folder.with_name(good), folder)
    about = yaml.safe_load((folder / "model.yaml").read_text())
    about["version"] = version
    about["metadata"].update(card)
    (folder / "model.yaml").write_text(yaml.safe_dump(about))
    joblib.dump(model, folder / "saved_model.pkl")
    raw = (folder / "saved_model.pkl").read_bytes()
    return Saved(f"{name}:{version}", hashlib.sha256(raw).hexdigest())


#: The model, what its card has of its own, and why it is refused.
UNFIT: dict[str, tuple[Any, dict[str, Any], str]] = {
    "narrow": (grown(features=FEATURE_COUNT - 1), {}, f"take {FEATURE_COUNT} features"),
    "wide": (grown(features=FEATURE_COUNT + 1), {}, f"take {FEATURE_COUNT} features"),
    "undecided": (grown(answers=3), {}, "classes aren't 0 and 1"),
    "nothing": ({"no": "model"}, {}, f"take {FEATURE_COUNT} features"),
    "renamed": (grown(), {"features_hash": "0" * 16}, "made for features 0000"),
    "aged": (grown(), {"versions": {"scikit-learn": "0.1"}}, "made for scikit-learn 0.1"),
}


@pytest.mark.parametrize("version", UNFIT)
def test_an_unfit_model_is_refused_and_shows(
    workshop: Workshop, predictor: PredictorProcess, version: str
) -> None:
    """A whole file of a model that can't answer here is refused; the old one goes on serving."""
    model, card, reason = UNFIT[version]
    good = pointed(workshop)
    unfit = kept(workshop, version, model, card)
    write_pointer(workshop.pointer, unfit)
    try:
        eventually(lambda: reason in predictor.client.get("/readyz").json()["refused"], within=10)
        assert predictor.metric("cryptostream_predictor_model_refused") == 1
        assert predictor.predict(columns_of(ROWS[:1])).json()["model"] == good["tag"]
    finally:
        write_pointer(workshop.pointer, Saved(good["tag"], good["sha256"]))
    eventually(lambda: not predictor.client.get("/readyz").json()["refused"], within=10)


def test_raw_rows_get_the_scores_of_json_columns(predictor: PredictorProcess) -> None:
    """The fast path answers the same numbers as float32, and names the model in its headers."""
    table = ROWS.astype("<f4")
    by_json = predictor.predict(columns_of(table.astype(float))).json()
    headers = {"content-type": "application/octet-stream", "features-hash": FEATURES_HASH}
    answer = predictor.client.post("/predict_raw", content=table.tobytes(), headers=headers)
    assert answer.status_code == 200
    assert answer.headers["model"] == by_json["model"]
    assert answer.headers["no-edge"] == "true"
    scores = np.frombuffer(answer.content, "<f4")
    assert scores.tolist() == np.array(by_json["p_up"], "<f4").tolist()


def test_what_is_far_too_large_is_refused_at_once_and_costs_no_memory(
    predictor: PredictorProcess,
) -> None:
    """A million rows and 100 MB are answered 413; the process doesn't grow by the bodies' size."""
    process = psutil.Process(predictor.process.pid)
    before = process.memory_info().rss
    headers = {"content-type": "application/octet-stream", "features-hash": FEATURES_HASH}
    for size in (1_000_000 * 4 * FEATURE_COUNT, 100 * 1024 * 1024):
        for path in ("/predict", "/predict_raw"):
            answer = predictor.client.post(path, content=bytes(size), headers=headers)
            assert answer.status_code == 413
    assert process.memory_info().rss - before < 64 * 1024 * 1024


def test_a_model_that_is_too_old_says_so_in_place_of_scores(workshop: Workshop) -> None:
    """Beyond its age limit a model answers 503 with the reason `stale` on both routes."""
    with running_predictor(workshop, {"PREDICTOR_MAX_AGE": "0.001"}) as running:
        raw = running.client.post("/predict_raw", content=b"")
        for answer in (running.predict(columns_of(ROWS[:1])), raw):
            assert answer.status_code == 503
            assert answer.json()["reason"] == "stale"
        assert running.client.get("/readyz").json()["stale"] is True


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
