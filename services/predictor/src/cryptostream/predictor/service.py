"""The BentoML service: a thin shell around `validate` and `pointer`.

One worker and one thread: a micro-batch is one call, and a second process would cost 250 MB.
`bentoml serve cryptostream.predictor.service:Predictor` serves it too.
"""

from __future__ import annotations

import threading
from http import HTTPStatus
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import bentoml
from bentoml.exceptions import BentoMLException, InvalidArgument, ServiceUnavailable
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, FailFast, Field, Strict, ValidationError

from cryptostream.contracts.features import FEATURE_NAMES, FEATURES_HASH
from cryptostream.contracts.metrics import LATENCY_BUCKETS, metric
from cryptostream.contracts.settings import load_settings
from cryptostream.predictor.errors import InputError
from cryptostream.predictor.limits import BodyLimit, BodyTooLargeError
from cryptostream.predictor.pointer import PointerWatch, load
from cryptostream.predictor.settings import PredictorSettings
from cryptostream.predictor.validate import MAX_ROWS, matrix

if TYPE_CHECKING:
    import logging

TIMEOUT_SECONDS: Final = 30
#: Calls wait for the one thread; beyond this many a sender had better back off (429).
MAX_CONCURRENCY: Final = 32
#: How long a stop waits for a look at the pointer that is under way.
STOP_SECONDS: Final = 5.0

ROWS = Counter(metric("predictor", "rows_total"), "Rows scored.")
SECONDS = Histogram(
    metric("predictor", "predict_seconds"), "Time to check and score a call.",
    buckets=LATENCY_BUCKETS,
)  # fmt: skip
RELOADS = Counter(
    metric("predictor", "reloads_total"), "Tries to load a model by result.", ["result"]
)

FeaturesHash = Annotated[
    str,
    Field(description="Hash of the feature names, from the contracts.", examples=[FEATURES_HASH]),
]
Column = Annotated[list[Annotated[float, Strict()]], FailFast()]
Columns = Annotated[
    dict[str, Column],
    Field(
        description=f"One list of numbers per feature, all of one length, 1 to {MAX_ROWS} rows.",
        examples=[{name: [0.0] for name in FEATURE_NAMES}],
    ),
]


def is_failure(record: logging.LogRecord) -> bool:
    """Filter BentoML's log: bad input is answered and counted, its traceback tells nothing."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, BentoMLException):
        return error.error_code >= HTTPStatus.INTERNAL_SERVER_ERROR
    return not isinstance(error, ValidationError | BodyTooLargeError)


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
)
class Predictor:
    """Predicts whether the same side's price will be higher 10 s after a trade, given it moves."""

    def __init__(self) -> None:
        self._settings = load_settings(PredictorSettings)
        self._watch = PointerWatch(
            self._settings.pointer, load, lambda result: RELOADS.labels(result).inc()
        )
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
        self._watch.poll()
        self._thread.start()

    @bentoml.on_shutdown  # type: ignore[untyped-decorator]
    def stop(self) -> None:
        """Stop following the pointer."""
        self._stop.set()
        self._thread.join(STOP_SECONDS)

    @bentoml.api  # type: ignore[untyped-decorator]
    def predict(self, features_hash: FeaturesHash, columns: Columns) -> Prediction:
        """Score a micro-batch of feature vectors, given by columns.

        Answers 400 with the reason if the input can't be scored, 503 while there is no model.
        """
        served = self._watch.current
        if served is None:
            raise ServiceUnavailable("no model is loaded yet")
        with SECONDS.time():
            try:
                features = matrix(features_hash, columns)
            except InputError as error:
                raise InvalidArgument(str(error)) from error
            p_up = served.p_up(features).tolist()
        ROWS.inc(len(p_up))
        return Prediction(model=served.pointer.tag, no_edge=served.no_edge, p_up=p_up)

    async def __is_ready__(self) -> bool:
        """Tell whether there is a model to answer with."""
        return self._watch.current is not None

    async def __metrics__(self, text: str) -> str:
        """Add the model in service; rewritten each time, so that old tags don't pile up."""
        served = self._watch.current
        if served is None:
            return text
        name = metric("predictor", "model_info")
        labels = f'model="{served.pointer.tag}",no_edge="{str(served.no_edge).lower()}"'
        head = f"# HELP {name} The model in service.\n# TYPE {name} gauge\n"
        return f"{text}{head}{name}{{{labels}}} 1\n"


cast("Any", Predictor).add_asgi_middleware(BodyLimit)  # the decorator made it a Service
