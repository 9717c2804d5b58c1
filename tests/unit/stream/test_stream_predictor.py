"""The predictor's client: a score or a reason, never an exception."""

from __future__ import annotations

import math
import struct
from typing import TYPE_CHECKING

import pytest
from support.http_server import answering

from cryptostream.contracts.features import FEATURE_COUNT
from cryptostream.stream.predictor import MAX_ROWS, Prediction, Predictor

if TYPE_CHECKING:
    from support.http_server import Answer

VECTOR = [0.5] * FEATURE_COUNT
WIDTH = 4 * FEATURE_COUNT
MODEL = {"model": "m:1", "no-edge": "true"}


def _scores(*scores: float) -> bytes:
    return struct.pack(f"<{len(scores)}f", *scores)


def _echo(_path: str, body: bytes) -> tuple[int, bytes]:
    return 200, _scores(0.25) * (len(body) // WIDTH)


def test_scores_come_back_in_order_with_their_model() -> None:
    """Each row gets its own probability, and the document names model and direction."""

    def answer(path: str, body: bytes) -> tuple[int, bytes]:
        assert path == "/predict_raw"
        return 200, b"".join(body[at : at + 4] for at in range(0, len(body), WIDTH))

    rows = [[score, *VECTOR[1:]] for score in (0.125, 0.75, 0.5)]
    with answering(answer, {"model": "m:1", "no-edge": "false"}) as url:
        first, second, third = Predictor(url, timeout_seconds=5).predict(rows)
    assert [first.p_up, second.p_up, third.p_up] == [0.125, 0.75, 0.5]
    assert first.document()["direction"] == "down"
    assert second.document() == {
        "direction": "up",
        "p_up": 0.75,
        "model": "m:1",
        "no_edge": False,
        "latency_ms": second.latency_ms,
    }


def test_one_request_serves_a_micro_batch() -> None:
    """Rows up to the limit make one request; more rows are cut, and none is lost."""
    sizes: list[int] = []

    def answer(path: str, body: bytes) -> tuple[int, bytes]:
        sizes.append(len(body) // WIDTH)
        return _echo(path, body)

    with answering(answer, MODEL) as url:
        predictor = Predictor(url, timeout_seconds=30)
        assert len(predictor.predict([VECTOR] * 1000)) == 1000
        assert len(predictor.predict([VECTOR] * (MAX_ROWS + 1))) == MAX_ROWS + 1
    assert sizes == [1000, MAX_ROWS, 1]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (lambda _path, _body: (500, b"{}"), "predictor_error"),
        (lambda _path, _body: (400, b"{}"), "predictor_refused"),
        (lambda _path, _body: (503, b'{"reason": "stale"}'), "stale"),
        (lambda _path, _body: (503, b'{"reason": "no_model"}'), "predictor_error"),
        (lambda _path, _body: (503, b"[1]"), "predictor_error"),
        (lambda _path, _body: (200, b"odd"), "predictor_error"),
        (lambda _path, _body: (200, b""), "predictor_error"),
        (lambda _path, _body: (200, _scores(0.5, 0.5)), "predictor_error"),
        (lambda _path, _body: (200, _scores(2.0)), "predictor_error"),
        (lambda _path, _body: (200, _scores(math.nan)), "predictor_error"),
    ],
    ids=[
        "5xx",
        "4xx",
        "stale",
        "no model",
        "503 list",
        "no floats",
        "empty",
        "wrong length",
        "no probability",
        "not a number",
    ],
)
def test_an_unusable_answer_is_a_reason(answer: Answer, reason: str) -> None:
    """Whatever the predictor answers, the trade gets a reason in place of a score."""
    with answering(answer, MODEL) as url:
        assert Predictor(url, timeout_seconds=5).predict([VECTOR]) == [Prediction(reason=reason)]


def test_an_answer_without_a_model_is_no_score() -> None:
    """A score that nobody stands for is not stored."""
    with answering(_echo) as url:
        (prediction,) = Predictor(url, timeout_seconds=5).predict([VECTOR])
    assert prediction == Prediction(reason="predictor_error")


def test_an_outage_opens_the_circuit_and_ends_it() -> None:
    """After a failure no request is made for a while; then one is tried, and scores return."""
    now = 0.0
    working = False
    calls = 0

    def answer(path: str, body: bytes) -> tuple[int, bytes]:
        nonlocal calls
        calls += 1
        return _echo(path, body) if working else (503, b"{}")

    with answering(answer, MODEL) as url:
        predictor = Predictor(url, timeout_seconds=5, clock=lambda: now)
        assert predictor.predict([VECTOR])[0].reason == "predictor_error"
        assert predictor.predict([VECTOR])[0].reason == "circuit_open"
        assert calls == 1
        working, now = True, 100.0
        assert predictor.predict([VECTOR])[0].p_up == 0.25
        assert calls == 2


def test_a_stale_model_leaves_the_circuit_closed() -> None:
    """A model that is too old answers at once and says so: each trade gets that very reason."""
    with answering(lambda _path, _body: (503, b'{"reason": "stale"}')) as url:
        predictor = Predictor(url, timeout_seconds=5)
        reasons = [predictor.predict([VECTOR])[0].reason for _ in range(3)]
    assert reasons == ["stale"] * 3


def test_nobody_there_is_a_reason() -> None:
    """A refused connection gives the reason `predictor_unavailable`."""
    (prediction,) = Predictor("http://127.0.0.1:9", timeout_seconds=1).predict([VECTOR])
    assert prediction.document() == {"reason": "predictor_unavailable"}
