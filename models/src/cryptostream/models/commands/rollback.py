"""Serve the model that was served before the one in service.

The change is told in the log beside the pointer and, where it can be reached, in Elasticsearch
(`ELASTICSEARCH_URL`). A rollback is urgent: it is done first, and a server that doesn't answer
doesn't undo it.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
from elasticsearch import Elasticsearch

from cryptostream.contracts.settings import ElasticsearchSettings, load_settings
from cryptostream.models.errors import ScoreboardError
from cryptostream.models.promotion import Promotions, document
from cryptostream.models.scoreboard_search import write

if TYPE_CHECKING:
    import argparse

    from cryptostream.models.promotion import Change

HELP: Final = "serve the model that was served before; the predictor takes it within seconds"
TELL_SECONDS: Final = 5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pointer", type=Path, required=True, help="file that names the model")
    parser.add_argument("--reason", default="asked for", help="what the log is to say")


def run(options: argparse.Namespace) -> int:
    """Roll back; the answer is the log's new line."""
    settings = load_settings(ElasticsearchSettings)
    promotions = Promotions(options.pointer, lambda: time.time_ns() // 1_000_000)
    change = promotions.rollback(options.reason)
    sys.stdout.write(msgspec.json.encode(change).decode() + "\n")
    _tell(settings, change)
    return 0


def _tell(settings: ElasticsearchSettings, change: Change) -> None:
    logging.getLogger("elastic_transport").setLevel(logging.ERROR)
    identity = f"{change.event}:{change.previous}:{change.time}"
    with Elasticsearch(
        **settings.client_options(), request_timeout=TELL_SECONDS, max_retries=0
    ) as client:
        try:
            write(client, "models", [(identity, document(change))])
        except ScoreboardError as error:
            sys.stderr.write(f"rollback: done, and told in the log only: {error}\n")
