"""The models room's commands take what was typed, and the running stack's places."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cryptostream.cli.models import COMMANDS, arguments

HOME = Path("/somewhere")


def test_training_takes_the_running_stacks_store() -> None:
    """Without a store and pointer given, training takes those that the predictor follows."""
    assert arguments("train", ["--seed", "1"], HOME) == [
        "train", "--seed", "1",
        "--store=/somewhere/models/store", "--pointer=/somewhere/models/current.json",
    ]  # fmt: skip
    given = ["--store=a", "--pointer", "b"]
    assert arguments("train", given, HOME) == ["train", *given]


def test_nothing_is_added_elsewhere() -> None:
    """Without a stack, and for the other commands, what was typed is passed on as it is."""
    assert arguments("train", ["--seed", "1"], None) == ["train", "--seed", "1"]
    assert arguments("evaluate", ["--report", "x"], HOME) == ["evaluate", "--report", "x"]


def test_help_is_the_rooms_own() -> None:
    """`cryptostream evaluate --help` shows the room's options."""
    done = subprocess.run(
        [sys.executable, "-m", "cryptostream.cli", "evaluate", "--help"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0
    assert "--report" in done.stdout
    assert set(COMMANDS) == {"export", "train", "rollback", "evaluate", "parity"}


def test_training_again_and_again_and_rolling_back_know_the_running_stack(tmp_path: Path) -> None:
    """`train --every` is the room's `learn`, with store and pointer; `rollback` has the pointer."""
    pointer = f"--pointer={tmp_path / 'models' / 'current.json'}"
    store = f"--store={tmp_path / 'models' / 'store'}"
    assert arguments("train", ["--every", "30m"], tmp_path) == [
        "learn", "--every", "30m", store, pointer,
    ]  # fmt: skip
    assert arguments("train", ["--once"], None) == ["learn", "--once"]
    assert arguments("rollback", [], tmp_path) == ["rollback", pointer]
