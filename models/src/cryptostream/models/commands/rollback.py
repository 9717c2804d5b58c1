"""Serve the model that was served before the one in service."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from cryptostream.models.promotion import Promotions

if TYPE_CHECKING:
    import argparse

HELP: Final = "serve the model that was served before; the predictor takes it within seconds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("--pointer", type=Path, required=True, help="file that names the model")
    parser.add_argument("--reason", default="asked for", help="what the log is to say")


def run(options: argparse.Namespace) -> int:
    """Roll back; the answer is the log's new line."""
    promotions = Promotions(options.pointer, lambda: time.time_ns() // 1_000_000)
    change = promotions.rollback(options.reason)
    sys.stdout.write(msgspec.json.encode(change).decode() + "\n")
    return 0
