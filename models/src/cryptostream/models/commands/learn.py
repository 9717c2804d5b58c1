"""Train on the newest trades again and again, and promote what passes the gate.

Each round exports the newest hours from Elasticsearch, trains challengers, scores them beside the
champion on the newest purged window, and asks the gate. `--once` does one round, for a CronJob.
"""

from __future__ import annotations

import argparse
import logging
import signal
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from elasticsearch import ApiError, TransportError

from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.features import FEATURES_HASH
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.probes import serve
from cryptostream.contracts.settings import ElasticsearchSettings, load_settings
from cryptostream.models import learn_metrics, parquet, search
from cryptostream.models.commands.common import (
    Whole,
    add_learning,
    add_market,
    learning_options,
    use_store,
)
from cryptostream.models.continuous import Bar
from cryptostream.models.dataset import build
from cryptostream.models.errors import ScoreboardError, TrainingError
from cryptostream.models.export import export
from cryptostream.models.gate import Rules
from cryptostream.models.labels import SERVED_HORIZON_MS
from cryptostream.models.learners import KINDS
from cryptostream.models.nullworld import null_fault
from cryptostream.models.promotion import Promotions
from cryptostream.models.scoreboard_search import Stored

if TYPE_CHECKING:
    from collections.abc import Mapping

    from elasticsearch import Elasticsearch

    from cryptostream.models.continuous import Shelf
    from cryptostream.models.dataset import Dataset

log = logging.getLogger("cryptostream.models.learn")

HELP: Final = "train again and again on the newest trades, and promote what passes the gate"
METRICS_PORT: Final = 19141
#: The newest trades may not be searchable yet.
LAG_MS: Final = 15_000
_UNITS: Final = {"s": 1, "m": 60, "h": 3_600}
_HOUR_MS: Final = 3_600_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    often = parser.add_mutually_exclusive_group(required=True)
    often.add_argument("--every", type=_duration, help="such as 30m, from start to start")
    often.add_argument("--once", action="store_true", help="do one round and end")
    parser.add_argument("--store", type=Path, required=True, help="the BentoML store's folder")
    parser.add_argument("--pointer", type=Path, required=True, help="file that names the model")
    parser.add_argument("--hours", type=Whole(1, 24 * 366), default=24, help="of trades a round")
    parser.add_argument("--dwell", type=_duration, default=3_600, help="least time in service")
    parser.add_argument("--min-blocks", type=Whole(10, 10_000), default=Rules().min_blocks)
    parser.add_argument("--metrics-port", type=Whole(1, 65_535), default=METRICS_PORT)
    parser.add_argument("--metrics-host", default="127.0.0.1")
    add_market(parser)
    add_learning(parser)


def run(options: argparse.Namespace) -> int:
    """Do rounds until SIGTERM, or one; a single round that can't be done has status 1."""
    configure_logging()
    logging.getLogger("elastic_transport").setLevel(logging.WARNING)
    use_store(options.store)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with search.connect(load_settings(ElasticsearchSettings)) as client:
        learner = _Learner(options, client)
        if options.once:
            return 0 if learner.round() else 1
        _serve(options)
        while not stop.is_set():
            started = time.monotonic()
            learner.round()
            stop.wait(max(1.0, options.every - (time.monotonic() - started)))
    return 0


class _Learner:
    """Does rounds; checks the null world once, since neither the code nor that market changes."""

    def __init__(self, options: argparse.Namespace, client: Elasticsearch) -> None:
        from cryptostream.models.shelf import StoreShelf  # noqa: PLC0415 - reads the environment

        self._options = options
        self._client = client
        self._stored = Stored(client, options.exchange, options.category)
        self._shelf: Shelf = StoreShelf(Promotions(options.pointer, _now_ms), _now_ms)
        self._null_fault: str | None = None

    def round(self) -> bool:
        """Do one round; tells of a failure and gives whether it could be done."""
        from cryptostream.models.continuous import learn  # noqa: PLC0415 - long to import

        options = self._options
        try:
            bar = Bar(
                Rules(min_blocks=options.min_blocks, dwell_ms=int(options.dwell * 1000)),
                self._null_world(),
            )
            learn(self._dataset(), self._shelf, learning_options(options), bar, self._tell)
        except (CryptostreamError, ApiError, TransportError) as error:
            reason = "waiting" if isinstance(error, TrainingError) else "failed"
            learn_metrics.ROUNDS.labels(reason).inc()
            log.warning("round_not_done", extra={"fields": {"reason": reason, "error": error}})
            return False
        learn_metrics.ROUNDS.labels("done").inc()
        return True

    def _dataset(self) -> Dataset:
        options, end = self._options, _now_ms() - LAG_MS
        query = search.Query(
            options.exchange, options.category, end - options.hours * _HOUR_MS, end, options.symbols
        )
        with tempfile.TemporaryDirectory(prefix="learn-") as folder:
            started = time.monotonic()
            manifest = export(self._client, query, Path(folder))
            if not manifest.rows:
                raise TrainingError("no trades are stored in the range")
            tapes = parquet.read_tapes(Path(folder))
            seconds = time.monotonic() - started
        self._tell(
            "exported", {"rows": manifest.rows, "data_hash": manifest.sha256, "seconds": seconds}
        )
        return build(tapes, horizons_ms=(SERVED_HORIZON_MS,))

    def _null_world(self) -> str:
        if self._null_fault is None:
            options = learning_options(self._options)
            faults = [null_fault(replace(options, kind=kind)) for kind in KINDS]
            self._null_fault = "; ".join(fault for fault in faults if fault)
            learn_metrics.NULL_GREEN.set(not self._null_fault)
            self._tell("null_world", {"reason": self._null_fault or "green"})
        return self._null_fault

    def _tell(self, event: str, numbers: Mapping[str, Any]) -> None:
        """Tell of a step in the log, in the metrics and as a document."""
        now = _now_ms()
        document = {"time": now, "event": event, "features_hash": FEATURES_HASH, "v": 1, **numbers}
        log.info(event, extra={"fields": dict(numbers)})
        learn_metrics.show(event, numbers)
        identity = f"{event}:{numbers.get('kind', '')}:{numbers.get('model', '')}:{now}"
        try:
            self._stored.write("models", [(identity, document)])
        except ScoreboardError as error:  # a round is worth more than its telling
            log.warning("not_told", extra={"fields": {"event": event, "error": error}})


def _serve(options: argparse.Namespace) -> None:
    try:
        serve(options.metrics_host, options.metrics_port, ready=lambda: True)
    except OSError as error:
        raise SettingsError(f"--metrics-port {options.metrics_port}: {error}") from error


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def _duration(text: str) -> float:
    """Read such as 90s, 30m, 2h as seconds."""
    number, unit = text[:-1], text[-1:]
    if not number.isdecimal() or unit not in _UNITS or not int(number):
        raise argparse.ArgumentTypeError("must be a whole number and s, m or h, such as 30m")
    return float(int(number) * _UNITS[unit])
