"""The commands as a user runs them: one line of JSON, or one line that says what is wrong."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from support import market

if TYPE_CHECKING:
    from pathlib import Path


def test_a_suspected_leak_ends_with_status_1_and_a_report(tmp_path: Path) -> None:
    """A build that evaluates fails on an AUC above 0.62 at 10 s, and the page says why."""
    trades = market.write_csv(market.tape(orders=9_000, seed=13, impact=0.4), tmp_path)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "cryptostream.models", "evaluate", "--trades", str(trades)),
            *("--report", str(tmp_path / "out" / "report.html"), "--challengers", "logistic"),
            *("--trees", "20", "--max-rows", "2000", "--seed", "7"),
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )

    assert done.returncode == 1
    assert "at 10 s is above 0.62: suspected leak" in done.stderr
    assert json.loads(done.stdout)["suspected"]
    assert "suspected leak" in (tmp_path / "out" / "report.html").read_text()


def command(trades: Path, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """Run `train` as a user would."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "cryptostream.models", "train", "--trades", str(trades)),
            *("--store", str(folder / "store"), "--pointer", str(folder / "run" / "model.json")),
            *more,
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def test_a_trained_model_is_saved_and_pointed_at(tmp_path: Path) -> None:
    """The pointer names the model in the store, with the sha256 of its file."""
    trades = market.write_csv(market.tape(orders=5_000), tmp_path)
    done = command(trades, tmp_path, "--trees", "5", "--seed", "3", "--max-rows", "1000")
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    summary = json.loads(line)
    pointer = json.loads((tmp_path / "run" / "model.json").read_text())
    assert pointer == {"tag": summary["tag"], "sha256": summary["sha256"]}
    name, version = pointer["tag"].split(":")
    saved = tmp_path / "store" / "models" / name / version / "saved_model.pkl"
    assert hashlib.sha256(saved.read_bytes()).hexdigest() == pointer["sha256"]
    assert summary["options"]["seed"] == 3
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["model.json"]


@pytest.mark.parametrize(
    ("rows", "arguments", "reason"),
    [
        ("1,1767225600000,1,1,hold", (), "BTCUSDT.csv:2: the side was 'hold'"),
        ("1,1767225600000,1,1,buy", (), "only 0 usable rows"),
        ("1,1767225600000,1,1,buy", ("--trees", "0"), "--trees: must be a whole number, 1..1000"),
    ],
)
def test_bad_input_ends_with_one_line_and_status_2(
    tmp_path: Path, rows: str, arguments: tuple[str, ...], reason: str
) -> None:
    """A bad row, too little data or a bad option: one clear line, status 2, no pointer."""
    trades = tmp_path / "BTCUSDT.csv"
    trades.write_text(f"id,timestamp,price,volume,side\n{rows}\n")
    done = command(trades, tmp_path, *arguments)
    assert done.returncode == 2
    assert reason in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
