"""Train a model, save it with its card and point the predictor at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.models.commands.common import (
    add_learning,
    add_source,
    learning_options,
    read_dataset,
    say,
    use_store,
)
from cryptostream.models.labels import SERVED_HORIZON_MS

if TYPE_CHECKING:
    import argparse

HELP: Final = "train a model on trades and point the predictor at it"
_SUMMARY: Final = ("no_edge", "horizon_ms", "features_hash", "metrics", "data", "options", "notes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_source(parser)
    add_learning(parser)
    parser.add_argument("--store", type=Path, required=True, help="the BentoML store's folder")
    parser.add_argument("--pointer", type=Path, required=True, help="file that names the model")


def run(options: argparse.Namespace) -> int:
    """Read, train, save, point; the answer is one JSON line."""
    use_store(options.store)
    from cryptostream.models import store  # noqa: PLC0415 - reads the environment
    from cryptostream.models.train import train  # noqa: PLC0415 - as above

    dataset = read_dataset(options, (SERVED_HORIZON_MS,))
    trained = train(dataset, learning_options(options))
    saved = store.save(trained.model, trained.card)
    store.write_pointer(options.pointer, saved)
    say(msgspec.json.encode(_summary(saved._asdict(), trained.card)).decode())
    return 0


def _summary(saved: dict[str, Any], card: dict[str, Any]) -> dict[str, Any]:
    return {
        **saved,
        **{key: card[key] for key in _SUMMARY},
        "naive_auc": card["naive"]["auc"],
    }
