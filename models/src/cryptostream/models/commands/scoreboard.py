"""Score stored predictions against what happened, as long as it runs (`SCOREBOARD_*`)."""

from __future__ import annotations

import logging
import signal
import time
from threading import Event
from typing import TYPE_CHECKING, Final

from elasticsearch import Elasticsearch

from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.probes import serve
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings
from cryptostream.models.live import Scoreboard
from cryptostream.models.live_settings import ScoreboardSettings
from cryptostream.models.promotion import Promotions, document
from cryptostream.models.scoreboard_alerts import AlertSink
from cryptostream.models.scoreboard_search import Stored

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

HELP: Final = "score stored predictions against what happened, as long as it runs"
REQUEST_SECONDS: Final = 30


def add_arguments(_parser: argparse.ArgumentParser) -> None:
    """Add nothing: the settings come from the environment."""


def run(_options: argparse.Namespace) -> int:
    """Score until SIGTERM or SIGINT."""
    configure_logging()
    logging.getLogger("elastic_transport").setLevel(logging.WARNING)
    settings = load_settings(ScoreboardSettings)
    client = Elasticsearch(
        **load_settings(ElasticsearchSettings).client_options(), request_timeout=REQUEST_SECONDS
    )
    alerts = AlertSink(load_settings(KafkaSettings))
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    store = Stored(client, settings.exchange, settings.category)
    board = Scoreboard(settings, store, alerts.send, _now_ms, _rollback(settings.pointer))
    try:
        serve(settings.metrics_host, settings.metrics_port, ready=board.is_ready)
    except OSError as error:
        raise SettingsError(
            f"SCOREBOARD_METRICS_PORT {settings.metrics_port} can't be used: {error}"
        ) from error
    board.run(stop)
    client.close()
    return 0


def _rollback(pointer: Path | None) -> Callable[[str, str], dict[str, Any] | None]:
    """Give what rolls the pointer back; without a pointer nothing is touched."""
    if pointer is None:
        return lambda _model, _reason: None
    promotions = Promotions(pointer, _now_ms)

    def roll_back(model: str, reason: str) -> dict[str, Any] | None:
        change = promotions.roll_back_from(model, reason)
        return document(change) if change else None

    return roll_back


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
