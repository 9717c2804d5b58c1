"""The BentoML service: a thin shell around `decode`, `validate`, `batcher` and `pointer`.

One worker and one scoring thread: a micro-batch is one call, and a second process would cost
250 MB. `bentoml serve cryptostream.predictor.service:Predictor` serves it too.
"""

from __future__ import annotations

import gc
import threading
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import bentoml
import msgspec
from bentoml.exceptions import BentoMLException
from bentoml.validators import ContentType
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric
from cryptostream.contracts.settings import load_settings
from cryptostream.predictor.batcher import Batcher
from cryptostream.predictor.calls import OCTETS, ColumnsBody, RowsBody
from cryptostream.predictor.decode import columns_matrix
from cryptostream.predictor.errors import InputError
from cryptostream.predictor.exposition import exposition
from cryptostream.predictor.limits import BodyLimit, BodyTooLargeError
from cryptostream.predictor.pointer import PointerWatch, Served, load
from cryptostream.predictor.probes import Probes
from cryptostream.predictor.settings import PredictorSettings
from cryptostream.predictor.validate import raw_matrix

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable

    from cryptostream.predictor.batcher import Answer
    from cryptostream.predictor.calls import Body
    from cryptostream.predictor.scorer import Rows

TIMEOUT_SECONDS: Final = 30
#: Calls wait for the one thread; beyond this many a sender had better back off (429).
MAX_CONCURRENCY: Final = 128
#: How long a stop waits for a look at the pointer that is under way.
STOP_SECONDS: Final = 5.0
STALE: Final = "stale"

ROWS = Counter(metric("predictor", "rows_total"), "Rows scored.", ["route"])
REFUSED = Counter(metric("predictor", "refused_total"), "Calls not scored by reason.", ["reason"])
SECONDS = Histogram(
    metric("predictor", "predict_seconds"), "Time from a call's body to its answer.",
    ["route"], buckets=LATENCY_BUCKETS,
)  # fmt: skip
RELOADS = Counter(
    metric("predictor", "reloads_total"), "Tries to load a model by result.", ["result"]
)


def is_failure(record: logging.LogRecord) -> bool:
    """Filter BentoML's log: bad input is answered and counted, its traceback tells nothing."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BentoMLException):
        return error.error_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, BodyTooLargeError)


class Prediction(BaseModel):
    """The answer to one call: one probability per row, all from the one model it names."""

    model: str = Field(description="Tag of the model that scored the rows.")
    no_edge: bool = Field(description="True if the model has not been shown to beat chance.")
    p_up: list[float] = Field(description="Probability that the price is higher at the horizon.")


@bentoml.service(
    name="predictor",
    workers=1,
    threads=1,
    traffic={"timeout": TIMEOUT_SECONDS, "max_concurrency": MAX_CONCURRENCY},
    logging={"access": {"enabled": False}},
    # Both cost more per request than scoring 100 rows; `probes` serves our own metrics.
    metrics={"enabled": False},
    tracing={"excluded_urls": ["."]},
)
class Predictor:
    """Predicts whether the same side's price will be higher 10 s after a trade, given it moves."""

    def __init__(self) -> None:
        self._settings = load_settings(PredictorSettings)
        self._watch = PointerWatch(
            self._settings.pointer, load, lambda result: RELOADS.labels(result).inc()
        )
        self._batcher = Batcher(_observe)
        self._stop = threading.Event()
        self._thread = threading.Thread(
            target=self._watch.run,
            args=(self._stop, self._settings.poll_seconds),
            name="pointer-watch",
            daemon=True,
        )

    @bentoml.on_startup  # type: ignore[untyped-decorator]
    def start(self) -> None:
        """Load the model and begin to follow the pointer."""
        # The imports leave 200,000 objects for good; looking through them stops all for 0.1 s.
        gc.collect()
        gc.freeze()
        self._watch.poll()
        self._thread.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Stop following the pointer, and let the scoring thread end."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)
        self._batcher.close()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, body: ColumnsBody, /) -> Prediction:
        """Score a micro-batch of feature vectors, given by columns.

        Answers 400 with the reason if the input can't be scored, 503 while there is no model or
        the model is too old: then with the reason `stale`.
        """
        return cast("Prediction", await self._answer("predict", body, columns_matrix, _as_json))

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict_raw(self, body: RowsBody, /) -> Annotated[bytes, ContentType(OCTETS)]:
        """Score rows of little-endian float32 in the features' order: the fast path.

        The header `features-hash` must name the feature list, as in `/predict`. The answer's body
        is one little-endian float32 a row; its headers `model` and `no-edge` name the model.
        Refusals are JSON, as those of `/predict`.
        """
        read = partial(raw_matrix, body.features_hash_header)
        return cast("bytes", await self._answer("predict_raw", body, read, _as_floats))

    def readiness(self) -> dict[str, Any]:
        """Tell whether there is a model to answer with, which, and what was refused."""
        served = self._watch.current
        return {
            "ready": served is not None,
            "model": served.pointer.tag if served else "",
            "age_seconds": round(time.time() - served.made_seconds) if served else 0,
            "stale": served is not None and self._is_stale(served),
            "refused": self._watch.refused,
        }

    async def __is_ready__(self) -> bool:
        """Tell whether there is a model to answer with."""
        return self._watch.current is not None

    def exposition(self) -> str:
        """Give the metrics of the model in service; old tags don't pile up that way."""
        served = self._watch.current
        return exposition(served, time.time(), refused=bool(self._watch.refused))

    async def _answer(
        self,
        route: str,
        body: Body,
        read: Callable[[bytes], Rows],
        render: Callable[..., Response],
    ) -> Response:
        """Score a body, or say in the answer why not; BentoML passes a `Response` on as it is."""
        served = self._watch.current
        if served is None:
            return _refusal(HTTPStatus.SERVICE_UNAVAILABLE, "no_model", "no model is loaded yet")
        if self._is_stale(served):
            return _stale(served)
        if body.foreign_type:
            text = f"the content type was {body.foreign_type[:80]!r}, must be {body.takes}"
            return _refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "content_type", text)
        with SECONDS.labels(route).time():
            answer = await self._batcher.score(served, body.content, read)
        if isinstance(answer, InputError):
            return _refusal(HTTPStatus.BAD_REQUEST, "bad_input", str(answer))
        ROWS.labels(route).inc(len(answer.p_up))
        return render(answer)

    def _is_stale(self, served: Served) -> bool:
        return 0 < self._settings.max_age < time.time() - served.made_seconds


def _observe(served: Served, rows: Rows) -> None:
    if served.drift is not None:
        served.drift.observe(rows, time.monotonic())


def _as_json(answer: Answer) -> Response:
    served = answer.served
    content = {
        "model": served.pointer.tag,
        "no_edge": served.no_edge,
        "p_up": answer.p_up.tolist(),
    }
    return Response(msgspec.json.encode(content), media_type="application/json")


def _as_floats(answer: Answer) -> Response:
    served = answer.served
    headers = {"model": served.pointer.tag, "no-edge": str(served.no_edge).lower()}
    return Response(answer.p_up.astype("<f4").tobytes(), media_type=OCTETS, headers=headers)


def _stale(served: Served) -> Response:
    REFUSED.labels(STALE).inc()
    text = f"the model {served.pointer.tag} is older than PREDICTOR_MAX_AGE; train a new one"
    content = {"error": text, "reason": STALE, "model": served.pointer.tag}
    return JSONResponse(content, HTTPStatus.SERVICE_UNAVAILABLE)


def _refusal(status: HTTPStatus, reason: str, text: str) -> Response:
    REFUSED.labels(reason).inc()
    return JSONResponse({"error": text, "reason": reason}, status)


_service: Any = Predictor  # the decorator made it a Service
_service.add_asgi_middleware(BodyLimit)
_service.add_asgi_middleware(Probes)
