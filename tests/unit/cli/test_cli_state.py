"""The state file and the lock."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from support.eventually import eventually

from cryptostream.cli import memory, state
from cryptostream.cli.errors import CliError

if TYPE_CHECKING:
    from pathlib import Path


def test_a_second_supervisor_is_told(tmp_path: Path) -> None:
    """While one holds the lock another is refused with the way out."""
    with state.locked(tmp_path):
        assert state.is_locked(tmp_path)
        with pytest.raises(CliError, match="cryptostream down"), state.locked(tmp_path):
            pass
    assert not state.is_locked(tmp_path)


def test_a_directory_with_other_files_is_left_alone(tmp_path: Path) -> None:
    """A run clears its directory, so it must not be one that holds something else."""
    (tmp_path / "thesis.tex").write_text("years")
    with pytest.raises(CliError, match="holds other files"), state.locked(tmp_path):
        pass
    state.clear(tmp_path)
    state.remove(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "years"


def test_a_run_is_cleared(tmp_path: Path) -> None:
    """All but the lock and what is to be kept goes; at the end nothing is left."""
    home = tmp_path / "run"
    with state.locked(home):
        for name in ("kafka", "logs"):
            (home / name).mkdir()
        state.write(home, {"a": 1})
        state.clear(home, "logs")
        assert {path.name for path in home.iterdir()} == {"cryptostream.lock", "logs"}
    state.remove(home)
    assert not home.exists()


def test_a_broken_state_file_is_no_state(tmp_path: Path) -> None:
    """Neither a missing file nor garbage is taken for a run."""
    assert state.read(tmp_path) is None
    (tmp_path / "state.json").write_text("{")
    assert state.read(tmp_path) is None


def test_only_the_very_process_is_ended(tmp_path: Path) -> None:
    """A process that merely got the id of a component is left alone; the component's is ended."""
    child = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True
    )
    created = psutil.Process(child.pid).create_time()
    left = {"components": [{"name": "a", "pid": child.pid, "created": created - 5}]}
    assert state.end_leftovers(left) == []
    left["components"][0]["created"] = created
    assert state.end_leftovers(left) == ["a"]
    eventually(lambda: child.poll() is not None, within=5)
    assert state.end_leftovers(left) == []
    assert state.end_leftovers(None) == []
    assert tmp_path.is_dir()


def test_memory_is_measured_and_peaks_are_kept() -> None:
    """A living process takes some megabytes, a missing one none; the largest is kept."""
    peaks = memory.Memory()
    peaks.sample({"me": os.getpid()})
    peaks.sample({})
    assert peaks.as_json()["me"] == peaks.as_json()["total"] > 1
    assert memory.tree_mb(2**22 + 1) == 0
    assert memory.tree_cpu_seconds(os.getpid()) > 0 == memory.tree_cpu_seconds(2**22 + 1)


def test_growth_is_the_slope_after_a_settling_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """What grows by 12 MB an hour is told so, whatever the start took; a short run tells none."""
    begun = now = 1000.0

    def size(_pid: int) -> float:
        lasted = now - begun
        return 900.0 if lasted < memory.SETTLE_SECONDS else 300.0 + 12.0 * lasted / 3600

    monkeypatch.setattr(memory, "tree_mb", size)
    kept = memory.Memory(clock=lambda: now)
    kept.sample({"a": 1})
    kept.settle()
    while now < begun + memory.SETTLE_SECONDS + memory.GROWTH_SECONDS:
        assert kept.growth() == {}
        now += 5.0
        kept.sample({"a": 1})
    assert kept.growth() == {"a": 12.0, "total": 12.0}
