"""What several commands share: where trades come from, bounds of options, the store."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cryptostream.models import parquet
from cryptostream.models.dataset import build
from cryptostream.models.errors import DatasetError
from cryptostream.models.labels import HORIZONS_MS
from cryptostream.models.learners import Options
from cryptostream.models.trades import read_tapes

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from cryptostream.models.dataset import Dataset

MAX_TREES: Final = 1_000
_HOUR_MS: Final = 3_600_000
_DEFAULT: Final = Options()


class Whole:
    """Check a whole number within bounds, for `type=`."""

    def __init__(self, low: int, high: int) -> None:
        self._low, self._high = low, high

    def __call__(self, text: str) -> int:
        """Give the number or say what it must be."""
        value = int(text) if text.isdecimal() else -1
        if not self._low <= value <= self._high:
            raise argparse.ArgumentTypeError(f"must be a whole number, {self._low}..{self._high}")
        return value


def add_source(parser: argparse.ArgumentParser) -> None:
    """Add the options that say which trades to learn from."""
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument(
        "--trades", type=Path, nargs="+", help="trade files (.csv, .csv.gz), folders of them"
    )
    source.add_argument("--dataset", type=Path, help="folder written by `export`")


def add_learning(parser: argparse.ArgumentParser) -> None:
    """Add the options of the models."""
    parser.add_argument("--seed", type=Whole(0, 2**31 - 1), default=0)
    parser.add_argument("--trees", type=Whole(1, MAX_TREES), default=_DEFAULT.trees)
    parser.add_argument(
        "--max-rows", type=Whole(100, 10**9), default=_DEFAULT.max_rows,
        help="rows that each tree draws at most",
    )  # fmt: skip


def add_market(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whose trades."""
    parser.add_argument("--exchange", default="bybit")
    parser.add_argument("--category", default="spot")
    parser.add_argument(
        "--symbols", default=(), type=_names, help="separated by commas; all if not given"
    )


def add_range(parser: argparse.ArgumentParser) -> None:
    """Add the options that say from when to when."""
    parser.add_argument("--from", dest="start", type=_time, help="UTC, such as 2026-11-22T10:00")
    parser.add_argument("--to", dest="end", type=_time, help="UTC; now if not given")
    parser.add_argument(
        "--hours", type=Whole(1, 24 * 366), default=24, help="before the end, without --from"
    )


def range_of(options: argparse.Namespace, now_ms: int) -> tuple[int, int]:
    """Read what `add_range` added as [from, to), epoch milliseconds; raises `DatasetError`."""
    end = now_ms if options.end is None else options.end
    start = end - options.hours * _HOUR_MS if options.start is None else options.start
    if start >= end:
        raise DatasetError("the range is empty: --from must lie before --to")
    return start, end


def _time(text: str) -> int:
    """Read an ISO time, UTC unless it says otherwise, as epoch milliseconds."""
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError("must be a time like 2026-11-22T10:00") from error
    return int((time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp() * 1000)


def _names(text: str) -> tuple[str, ...]:
    return tuple(sorted({name for name in text.split(",") if name}))


def learning_options(options: argparse.Namespace) -> Options:
    """Read what `add_learning` added."""
    return Options(trees=options.trees, max_rows=options.max_rows, seed=options.seed)


def read_dataset(options: argparse.Namespace, horizons_ms: Sequence[int] = HORIZONS_MS) -> Dataset:
    """Read what `add_source` names and build the table, with a progress bar."""
    tapes = read_tapes(options.trades) if options.trades else parquet.read_tapes(options.dataset)
    with progress() as bar:
        task = bar.add_task("replaying trades", total=sum(len(tape) for tape in tapes))
        return build(tapes, horizons_ms=horizons_ms, advance=lambda done: bar.advance(task, done))


def use_store(folder: Path) -> None:
    """Name BentoML's store; it reads the environment when it is imported, so call this first."""
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["BENTOML_HOME"] = str(folder.resolve())
    os.environ.setdefault("BENTOML_DO_NOT_TRACK", "True")


@contextmanager
def progress() -> Iterator[Progress]:
    """Show a bar on standard error, where that is a terminal."""
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(),
    )  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        yield bar


def say(text: str) -> None:
    """Print one line of the command's answer."""
    sys.stdout.write(text + "\n")
