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
import sys
import time
from array import array
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson
import urllib3

from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.stream.breaker import CircuitBreaker

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

log = logging.getLogger(__name__)

#: Rows per call: beyond it latency grows without any gain in rows per second.
MAX_ROWS: Final = 10_000
_HTTP_OK: Final = 200
_HTTP_SERVER_ERROR: Final = 500
_HTTP_UNAVAILABLE: Final = 503
_STALE: Final = "stale"
_HEADERS: Final = {"content-type": "application/octet-stream", "features-hash": FEATURES_HASH}


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


class _Answer(NamedTuple):
    """One probability a row, and the model that gave them."""

    model: str
    no_edge: bool
    p_up: Sequence[float]


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
        self._url = f"{url.rstrip('/')}/predict_raw"
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
        return [Prediction(p_up, answer.model, answer.no_edge, latency) for p_up in answer.p_up]

    def _ask(self, vectors: Sequence[Sequence[float]]) -> _Answer:
        response = self._pool.request(
            "POST", self._url, body=_rows(vectors), headers=_HEADERS, timeout=self._timeout
        )
        if response.status == _HTTP_UNAVAILABLE and _reason(response.data) == _STALE:
            raise _UnusableError(_STALE)
        if response.status >= _HTTP_SERVER_ERROR:
            raise _UnusableError("predictor_error")
        if response.status != _HTTP_OK:
            raise _UnusableError("predictor_refused")
        return _checked(response.data, response.headers, len(vectors))


def _reason(body: bytes) -> str:
    """Give the reason code of a refusal; empty if the body names none."""
    try:
        return str(orjson.loads(body)["reason"])
    except (ValueError, KeyError, TypeError):
        return ""


def _rows(vectors: Sequence[Sequence[float]]) -> bytes:
    """Render vectors as little-endian float32, one after the other."""
    floats = array("f", chain.from_iterable(vectors))
    if sys.byteorder == "big":
        floats.byteswap()
    return floats.tobytes()


def _checked(body: bytes, headers: Mapping[str, str], rows: int) -> _Answer:
    """Read the answer; raises `_UnusableError` unless it holds a probability for each row."""
    scores = array("f")
    try:
        scores.frombytes(body)
        answer = _Answer(headers["model"], headers["no-edge"] == "true", scores)
    except (ValueError, KeyError) as error:
        raise _UnusableError("predictor_error") from error
    if sys.byteorder == "big":
        scores.byteswap()
    if len(scores) != rows or not all(0.0 <= score <= 1.0 for score in scores):
        raise _UnusableError("predictor_error")
    return answer
