"""The command: `python -m cryptostream.models train --trades PATH.. --store DIR --pointer FILE`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.logs import configure_logging
from cryptostream.models.trades import read_tapes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cryptostream.models.store import Saved

USAGE_STATUS: Final = 2
MAX_TREES: Final = 1_000
_SUMMARY: Final = ("no_edge", "horizon_ms", "features_hash", "metrics", "naive", "baselines")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; gives 0, or 2 with one line on standard error."""
    options = _parser().parse_args(arguments)
    configure_logging("WARNING")
    try:
        print(_train(options))  # noqa: T201 - the one line of output
    except (CryptostreamError, OSError) as error:
        print(f"train: {error}", file=sys.stderr)  # noqa: T201 - told to the person who ran it
        return USAGE_STATUS
    return 0


def _train(options: argparse.Namespace) -> str:
    """Read, train, save, point; gives the summary as one JSON line."""
    tapes = read_tapes(options.trades)
    options.store.mkdir(parents=True, exist_ok=True)
    # BentoML reads both when it is imported, hence the imports below.
    os.environ["BENTOML_HOME"] = str(options.store.resolve())
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")
    from cryptostream.models import store  # noqa: PLC0415
    from cryptostream.models.forest import ForestOptions  # noqa: PLC0415
    from cryptostream.models.train import train  # noqa: PLC0415

    trained = train(
        tapes,
        ForestOptions(trees=options.trees, max_rows=options.max_rows, seed=options.seed),
    )
    saved = store.save(trained.model, trained.card)
    store.write_pointer(options.pointer, saved)
    return msgspec.json.encode(_summary(saved, trained.card)).decode()


def _summary(saved: Saved, card: dict[str, Any]) -> dict[str, Any]:
    return {
        **saved._asdict(),
        **{key: card[key] for key in _SUMMARY},
        "data": card["data"],
        "forest": card["forest"],
        "notes": card["notes"],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cryptostream.models", description=__doc__)
    command = parser.add_subparsers(required=True).add_parser(
        "train", help="train a Random Forest on trade files and point the predictor at it"
    )
    command.add_argument(
        "--trades", type=Path, nargs="+", required=True, help="trade files (.csv, .csv.gz), folders"
    )
    command.add_argument("--store", type=Path, required=True, help="the BentoML store's folder")
    command.add_argument("--pointer", type=Path, required=True, help="file that names the model")
    command.add_argument("--seed", type=_whole(0, 2**31 - 1), default=0)
    command.add_argument("--trees", type=_whole(1, MAX_TREES), default=100)
    command.add_argument(
        "--max-rows", type=_whole(100, 10**9), default=8_000, help="rows that grow the forest"
    )
    return parser


class _whole:  # noqa: N801 - reads as a type in the parser
    """Check a whole number within bounds."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def __call__(self, text: str) -> int:
        value = int(text) if text.isdecimal() else -1
        if not self._low <= value <= self._high:
            raise argparse.ArgumentTypeError(f"must be a whole number, {self._low}..{self._high}")
        return value


if __name__ == "__main__":
    sys.exit(main())
