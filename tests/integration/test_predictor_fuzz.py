"""Whatever is sent to the predictor is answered in time, by scores or by a refusal; it stays small.

The calls come from the service's own description by schemathesis, and from the list below.
"""

from __future__ import annotations

import contextlib
import http.client
import pickle
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
import orjson
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
)
from support.predictor import PredictorProcess, Workshop, running_predictor

from cryptostream.contracts.features import FEATURE_COUNT, FEATURE_NAMES, FEATURES_HASH
from cryptostream.predictor.limits import MAX_BODY_BYTES
from cryptostream.predictor.wire import MAX_HEAD_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER_SECONDS: Final = 1.0
#: The machine may be busy with something else; the service is too slow if it always is.
TRIES: Final = 5
EXAMPLES: Final = 150
MIB: Final = 1024 * 1024
#: A body of 16 MiB, what the parser makes of the worst of them, and the allocator's slack. One is
#: read at a time: many cost no more.
PARSING_BYTES: Final = 384 * MIB
#: What the process may grow by while a body goes by that isn't read at all.
PASSING_BYTES: Final = 16 * MIB
JSON: Final = {"content-type": "application/json"}
RAW: Final = {"content-type": "application/octet-stream", "features-hash": FEATURES_HASH}


@pytest.fixture(scope="module")
def workshop(tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    """Train a small model."""
    made = Workshop(tmp_path_factory.mktemp("fuzz"))
    made.train(seed=1)
    return made


@pytest.fixture(scope="module")
def predictor(workshop: Workshop) -> Iterator[PredictorProcess]:
    """Serve it."""
    with running_predictor(workshop) as running:
        yield running


@dataclass(frozen=True)
class Hostile:
    """A call that must be refused, with which status and why."""

    path: str
    body: bytes
    status: int
    reason: str
    headers: dict[str, str] = field(default_factory=dict)


def columns(rows: int, literal: str = "0") -> bytes:
    """Write a body whose numbers are all the same literal."""
    column = "[" + ",".join([literal] * rows) + "]"
    members = ",".join(f'"{name}":{column}' for name in FEATURE_NAMES)
    return f'{{"features_hash":"{FEATURES_HASH}","columns":{{{members}}}}}'.encode()


def floats(rows: int, kind: str = "<f4", value: float = 0.1) -> bytes:
    """Write rows of one number, of the kind that numpy calls so."""
    return np.full((rows, FEATURE_COUNT), value, kind).tobytes()


def stuffed(head: bytes, middle: bytes, tail: bytes) -> bytes:
    """Fill the largest body that is read at all."""
    return head + middle * ((MAX_BODY_BYTES - len(head + tail)) // len(middle)) + tail


OTHER_HASH: Final = {**RAW, "features-hash": "0" * 16}
PICKLED: Final = pickle.dumps({"features_hash": FEATURES_HASH, "columns": {}})
HOSTILE: Final = {
    "no rows": Hostile("/predict", columns(0), 400, "0 rows", JSON),
    "no rows, raw": Hostile("/predict_raw", b"", 400, "0 rows", RAW),
    "a million rows": Hostile("/predict", columns(1_000_000), 413, "larger", JSON),
    "a million rows, raw": Hostile("/predict_raw", floats(1_000_000), 413, "larger", RAW),
    "100 MB": Hostile("/predict", bytes(100 * MIB), 413, "larger", JSON),
    "100 MB, raw": Hostile("/predict_raw", bytes(100 * MIB), 413, "larger", RAW),
    "too many rows": Hostile("/predict", columns(20_001), 400, "20001 rows", JSON),
    "too many rows, raw": Hostile("/predict_raw", floats(20_001), 400, "20001 rows", RAW),
    "texts": Hostile("/predict", columns(3, '"1"'), 400, "no valid number", JSON),
    "truths": Hostile("/predict", columns(3, "true"), 400, "no valid number", JSON),
    "nulls": Hostile("/predict", columns(3, "null"), 400, "no valid number", JSON),
    "NaN": Hostile("/predict", columns(3, "NaN"), 400, "Invalid JSON", JSON),
    "beyond float32": Hostile("/predict", columns(3, "1e39"), 400, "not finite", JSON),
    "NaN, raw": Hostile("/predict_raw", floats(3, value=np.nan), 400, "not finite", RAW),
    "infinity, raw": Hostile("/predict_raw", floats(3, value=np.inf), 400, "not finite", RAW),
    "doubles, raw": Hostile(
        "/predict_raw", np.random.default_rng(0).normal(size=(500, FEATURE_COUNT)).tobytes(),
        400, "not finite", RAW,
    ),
    "halves, raw": Hostile("/predict_raw", floats(3, "<f2"), 400, "multiple of 88", RAW),
    "a pickle": Hostile(
        "/predict", PICKLED, 415, "not allowed",
        {"content-type": "application/vnd.bentoml+pickle"},
    ),
    "a pickle as JSON": Hostile("/predict", PICKLED, 400, "Invalid JSON", JSON),
    "a pickle, raw": Hostile("/predict_raw", PICKLED, 400, "multiple of 88", RAW),
    "a form": Hostile(
        "/predict", b"columns=1", 415, "content type",
        {"content-type": "application/x-www-form-urlencoded"},
    ),
    "another hash": Hostile(
        "/predict", columns(3).replace(FEATURES_HASH.encode(), b"0" * 16), 400, "another version",
        JSON,
    ),
    "another hash, raw": Hostile("/predict_raw", floats(3), 400, "another version", OTHER_HASH),
    "many numbers": Hostile(
        "/predict", stuffed(b"[", b"1,", b"1]"), 400, "must be an object", JSON
    ),
    "many objects": Hostile(
        "/predict", stuffed(b"[", b"{},", b"1]"), 400, "must be an object", JSON
    ),
    "one long text": Hostile(
        "/predict", stuffed(b'["', b"\\n", b'"]'), 400, "must be an object", JSON
    ),
    "deep": Hostile("/predict", stuffed(b"", b"[", b""), 400, "Invalid JSON", JSON),
}  # fmt: skip


def resident(predictor: PredictorProcess, what: str) -> int:
    """Read the process's memory in bytes: VmRSS is today's, VmHWM the highest since its reset."""
    status = Path(f"/proc/{predictor.process.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) * 1024


class Told(NamedTuple):
    """An answer, and how many seconds it took."""

    status: int
    text: str
    seconds: float


def address(predictor: PredictorProcess) -> tuple[str, int]:
    """Give the host and port that it listens on."""
    url = predictor.client.base_url
    return url.host, url.port or 0


def send(predictor: PredictorProcess, call: Hostile) -> Told:
    """Send a call by a client that costs nothing: httpx takes 0.5 s for 100 MB, the service 0.1."""
    connection = http.client.HTTPConnection(*address(predictor), timeout=30)
    with contextlib.closing(connection):
        started = time.perf_counter()
        connection.request("POST", call.path, call.body, call.headers)
        answer = connection.getresponse()
        text = answer.read().decode(errors="replace")
        return Told(answer.status, text, time.perf_counter() - started)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_call_is_refused_within_a_second(predictor: PredictorProcess, name: str) -> None:
    """Each is answered with its 4xx and what is wrong, and never scored."""
    call = HOSTILE[name]
    fastest = float("inf")
    for _ in range(TRIES):
        told = send(predictor, call)
        assert (told.status, call.reason in told.text) == (call.status, True), told.text
        fastest = min(fastest, told.seconds)
        if fastest <= ANSWER_SECONDS:
            return
    pytest.fail(f"{name}: the fastest answer of {TRIES} took {fastest:.1f} s")


def test_hostile_calls_leave_no_memory_behind(workshop: Workshop) -> None:
    """Three rounds of all of them make the process no larger, at its peak, than one body does."""
    with running_predictor(workshop) as fresh:
        before = resident(fresh, "VmRSS")
        for _ in range(3):
            for call in HOSTILE.values():
                send(fresh, call)
        assert resident(fresh, "VmHWM") - before < PARSING_BYTES


@pytest.mark.parametrize("name", ["a million rows", "a million rows, raw", "100 MB", "100 MB, raw"])
def test_what_is_too_large_is_never_held(predictor: PredictorProcess, name: str) -> None:
    """While a body of 44 to 100 MB goes by, the process doesn't grow by it."""
    send(predictor, HOSTILE[name])
    before = resident(predictor, "VmRSS")
    Path(f"/proc/{predictor.process.pid}/clear_refs").write_text("5")
    send(predictor, HOSTILE[name])
    assert resident(predictor, "VmHWM") - before < PASSING_BYTES


@pytest.mark.parametrize(
    "head",
    [
        b"POST /predict_raw?%s HTTP/1.1\r\n",
        b"POST /predict_raw HTTP/1.1\r\nhost: x\r\nlong: %s",
        b"POST /predict_raw HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nlong: %s",
    ],
    ids=["line", "header", "trailer"],
)
def test_an_endless_head_is_refused(predictor: PredictorProcess, head: bytes) -> None:
    """A request's line, header or trailer that doesn't end is answered 400 once it is too long."""
    with socket.create_connection(address(predictor), timeout=10) as connection:
        connection.sendall(head.replace(b"%s", b"x" * (MAX_HEAD_BYTES + 1)))
        answer = connection.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"head is larger" in answer


def test_a_body_of_unknown_length_is_read_to_the_bound_only(predictor: PredictorProcess) -> None:
    """100 MB in chunks, whose length nobody announced, are answered 413."""
    parts = (bytes(MIB) for _ in range(100))
    answer = predictor.client.post("/predict_raw", content=parts, headers=RAW)
    assert answer.status_code == 413


def test_a_body_that_breaks_off_disturbs_nobody(predictor: PredictorProcess) -> None:
    """A sender that goes away amid its body leaves the service answering others."""
    head = b"POST /predict_raw HTTP/1.1\r\nhost: x\r\ncontent-length: 880\r\n\r\n"
    with socket.create_connection(address(predictor), timeout=10) as connection:
        connection.sendall(head + b"ab")
    assert send(predictor, Hostile("/predict_raw", floats(2), 200, "", RAW)).status == 200


@pytest.mark.parametrize(
    ("path", "mode"),
    [
        ("/predict", GenerationMode.POSITIVE),
        ("/predict", GenerationMode.NEGATIVE),
        # Any bytes at all fit its description.
        ("/predict_raw", GenerationMode.POSITIVE),
    ],
)
def test_calls_made_from_the_description_get_scores_or_a_refusal(
    predictor: PredictorProcess, path: str, mode: GenerationMode
) -> None:
    """Calls that fit the description, and calls that don't: never a 5xx, never an odd answer."""
    description = schemathesis.openapi.from_url(f"{predictor.client.base_url}/docs.json")
    operation = description[path]["POST"]
    statuses: set[int] = set()

    @settings(
        max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(operation.as_strategy(generation_mode=mode))
    def ask(case: schemathesis.Case) -> None:
        headers = {"features-hash": FEATURES_HASH} if path == "/predict_raw" else {}
        answer = case.call(headers=headers)
        statuses.add(answer.status_code)
        case.validate_response(
            answer,
            checks=[not_a_server_error, content_type_conformance, response_schema_conformance],
        )
        assert answer.status_code == 200 or "reason" in orjson.loads(answer.content)

    ask()
    assert 400 in statuses
    assert statuses <= {200, 400, 413, 415}
