"""Judge every kind of model at every horizon on the given trades, and write an HTML report."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.models import leaks, page
from cryptostream.models.card import data_facts
from cryptostream.models.commands.common import (
    add_learning,
    add_source,
    learning_options,
    progress,
    read_dataset,
    say,
)
from cryptostream.models.learners import KINDS, Kind
from cryptostream.models.provenance import git_sha, versions
from cryptostream.models.study import CHAMPION, cost_bps, study, with_importance

if TYPE_CHECKING:
    import argparse

    from cryptostream.models.dataset import Dataset
    from cryptostream.models.learners import Options
    from cryptostream.models.study import Study

HELP: Final = "judge the models on trades and write a report; status 1 for a suspected leak"
CHALLENGERS: Final = tuple(kind for kind in KINDS if kind != CHAMPION)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_source(parser)
    add_learning(parser)
    parser.add_argument("--report", type=Path, required=True, help="HTML file to write")
    parser.add_argument(
        "--challengers", nargs="*", choices=CHALLENGERS, default=CHALLENGERS,
        help="judged beside the forest",
    )  # fmt: skip


def run(options: argparse.Namespace) -> int:
    """Evaluate and write; the answer is one JSON line. A suspected leak is told after writing."""
    dataset, learning = read_dataset(options), learning_options(options)
    with progress() as bar:
        task = bar.add_task("walking forward", total=len(dataset.horizons_ms) + 1)
        kinds: list[Kind] = [CHAMPION, *options.challengers]
        found = study(dataset, learning, kinds=kinds, advance=lambda _: bar.advance(task))
    found = with_importance(found, learning.seed)
    options.report.parent.mkdir(parents=True, exist_ok=True)
    options.report.write_text(
        page.render(found, dataset, data_facts(dataset), _origin(learning)), encoding="utf-8"
    )
    say(msgspec.json.encode(_summary(found, dataset)).decode())
    leaks.refuse(found.reports)
    return 0


def _origin(options: Options) -> dict[str, str]:
    shown = {"seed": options.seed, "trees": options.trees, "rows a tree draws": options.max_rows}
    return {
        **{name: str(value) for name, value in shown.items()},
        "depth": str(options.max_depth),
        "commit": git_sha(),
        **versions(),
    }


def _summary(found: Study, dataset: Dataset) -> dict[str, Any]:
    return {
        "data": data_facts(dataset),
        "cost_bps": cost_bps(dataset),
        "horizons": {
            f"{horizon_ms / 1000:g}": {name: asdict(score) for name, score in report.scores.items()}
            for horizon_ms, report in found.reports.items()
        },
        "naive": {name: asdict(score) for name, score in found.naive.scores.items()},
        "suspected": leaks.suspicions(found.reports),
    }
