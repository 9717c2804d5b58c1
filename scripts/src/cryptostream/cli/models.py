"""`cryptostream export | train | rollback | ...`: the models room's commands, passed on.

The room reads its own arguments (`cryptostream train --help` is its help); what is added here is
where the running stack has Elasticsearch, the store and the pointer.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import typer  # noqa: TC002 - typer reads the annotations

from cryptostream.cli import state
from cryptostream.cli.history import search_address
from cryptostream.cli.paths import default_state_dir

if TYPE_CHECKING:
    from pathlib import Path

_MODULE: Final = "cryptostream.models"
_PASSED_ON: Final = {
    "allow_extra_args": True,
    "ignore_unknown_options": True,
    "help_option_names": [],
}
#: With one of these, training is the room's `learn`.
_LEARN: Final = ("--every", "--once")
_NEEDS: Final = {
    "train": ("--store", "--pointer"),
    "learn": ("--store", "--pointer"),
    "rollback": ("--pointer",),
}
COMMANDS: Final = {
    "export": "Export stored trades with their vectors into Parquet.",
    "train": "Train a model and point the predictor at it; --every 30m goes on learning.",
    "rollback": "Serve the model that was served before.",
    "evaluate": "Judge the models on trades and write a report.",
    "parity": "Check that a replay gives the vectors that the stream stored.",
}


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for name, words in COMMANDS.items():
        app.command(name, help=words, context_settings=_PASSED_ON)(_run)


def arguments(name: str, given: list[str], home: Path | None) -> list[str]:
    """Give the room's arguments: those given, and for training the running stack's store.

    `home` is None where nothing runs; then the room asks for what is missing.
    """
    if name == "train" and any(one.split("=")[0] in _LEARN for one in given):
        name = "learn"
    if name not in _NEEDS or home is None:
        return [name, *given]
    kept = {"--store": home / "models" / "store", "--pointer": home / "models" / "current.json"}
    added = [
        f"{option}={path}"
        for option, path in kept.items()
        if option in _NEEDS[name] and not any(one.split("=")[0] == option for one in given)
    ]
    return [name, *given, *added]


def _run(context: typer.Context) -> None:
    home = default_state_dir()
    found = state.read(home)
    environment = {**os.environ, "ELASTICSEARCH_URL": search_address(found or {})}
    passed = arguments(str(context.info_name), context.args, home if found else None)
    command = [sys.executable, "-m", _MODULE, *passed]
    sys.stdout.flush()
    # The models room takes this process over; it checks what was typed.
    os.execve(sys.executable, command, environment)  # noqa: S606
