"""The predictor's client: one request for the vectors of a micro-batch, never an exception.

A trade is indexed whether or not it could be scored; the reason then stands in its document:

    block_trade             nothing to predict for a trade off the book
    predictor_unavailable   no answer in time
    circuit_open            it failed just now and is left alone for a moment
    predictor_error         an answer that is no score: 5xx, or the wrong length
    stale                   its model is older than its limit
    predictor_refused       4xx: it has another feature list, or refuses the input
"""

from __future__ import annotations

import logging
import math
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import urllib3

from cryptostream.contracts.features import FEATURE_NAMES, FEATURES_HASH
from cryptostream.stream.breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

log = logging.getLogger(__name__)

#: Rows per call: beyond it latency grows without any gain in rows per second.
MAX_ROWS: Final = 10_000
_HTTP_OK: Final = 200
_HTTP_SERVER_ERROR: Final = 500
_HTTP_UNAVAILABLE: Final = 503
_STALE: Final = "stale"


class Prediction(NamedTuple):
    """A score with the model that gave it, or the reason why there is none."""

    p_up: float | None = None
    model: str = ""
    no_edge: bool = False
    latency_ms: float = 0.0
    reason: str = ""

    def document(self) -> dict[str, Any]:
        """Render the `prediction` object of a trade's document."""
        if self.p_up is None:
            return {"reason": self.reason}
        return {
            "direction": "up" if self.p_up >= 0.5 else "down",  # noqa: PLR2004 - even odds
            "p_up": self.p_up,
            "model": self.model,
            "no_edge": self.no_edge,
            "latency_ms": self.latency_ms,
        }


BLOCK_TRADE: Final = Prediction(reason="block_trade")


class _UnusableError(Exception):
    """The predictor's answer is no score; the text is the reason's code."""


class Predictor:
    """Scores vectors over HTTP, one keep-alive connection, bounded by timeout and breaker."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._url = f"{url.rstrip('/')}/predict"
        self._timeout = timeout_seconds
        self._clock = clock
        self._breaker = CircuitBreaker()
        self._pool = urllib3.PoolManager(maxsize=1, retries=False)

    def predict(self, vectors: Sequence[Sequence[float]]) -> list[Prediction]:
        """Score each vector; the answer has one `Prediction` a row, in order."""
        predictions: list[Prediction] = []
        for start in range(0, len(vectors), MAX_ROWS):
            predictions += self._guarded(vectors[start : start + MAX_ROWS])
        return predictions

    def _guarded(self, vectors: Sequence[Sequence[float]]) -> list[Prediction]:
        if not self._breaker.allows(self._clock()):
            return [Prediction(reason="circuit_open")] * len(vectors)
        started = self._clock()
        try:
            answer = self._ask(vectors)
        except (_UnusableError, urllib3.exceptions.HTTPError, ValueError) as error:
            if str(error) != _STALE:  # an answer, and at once: nothing to be spared
                self._breaker.failed(self._clock())
            reason = str(error) if isinstance(error, _UnusableError) else "predictor_unavailable"
            log.warning("prediction_failed", extra={"fields": {"reason": reason, "why": error}})
            return [Prediction(reason=reason)] * len(vectors)
        self._breaker.succeeded()
        latency = round((self._clock() - started) * 1000.0, 2)
        model, no_edge = str(answer["model"]), bool(answer["no_edge"])
        return [Prediction(p_up, model, no_edge, latency) for p_up in answer["p_up"]]

    def _ask(self, vectors: Sequence[Sequence[float]]) -> dict[str, Any]:
        columns = dict(zip(FEATURE_NAMES, zip(*vectors, strict=True), strict=True))
        response = self._pool.request(
            "POST",
            self._url,
            body=orjson.dumps({"features_hash": FEATURES_HASH, "columns": columns}),
            headers={"content-type": "application/json"},
            timeout=self._timeout,
        )
        if response.status == _HTTP_UNAVAILABLE and _reason(response.data) == _STALE:
            raise _UnusableError(_STALE)
        if response.status >= _HTTP_SERVER_ERROR:
            raise _UnusableError("predictor_error")
        if response.status != _HTTP_OK:
            raise _UnusableError("predictor_refused")
        return _checked(response.data, len(vectors))


def _reason(body: bytes) -> str:
    """Give the reason code of a refusal; empty if the body names none."""
    try:
        return str(orjson.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def _checked(body: bytes, rows: int) -> dict[str, Any]:
    """Read the answer; raises `_UnusableError` unless it holds a probability for each row."""
    try:
        answer: dict[str, Any] = orjson.loads(body)
        scores = answer["p_up"]
        complete = len(scores) == rows and "model" in answer and "no_edge" in answer
        sane = all(math.isfinite(score) and 0.0 <= score <= 1.0 for score in scores)
    except (ValueError, KeyError, TypeError) as error:
        raise _UnusableError("predictor_error") from error
    if not (complete and sane):
        raise _UnusableError("predictor_error")
    return answer
