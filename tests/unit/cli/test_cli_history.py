"""`cryptostream history`: what it passes to the job, and how it shows what comes back."""

from __future__ import annotations

import importlib.util
import json
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from cryptostream.cli import history
from cryptostream.cli.__main__ import app

if TYPE_CHECKING:
    from pathlib import Path

RANGE = ("history", "--from", "2026-11-22T00:00", "--to", "2026-11-23T00:00")
DONE = {"phase": "done", "run": "abc", "trades": 7, "symbols": 2, "documents": 12}


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Put a script of the test's own in the job's place; it may print its arguments."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(history, "_MODULE", "stand_in")
    monkeypatch.setattr(history, "_environment", lambda **_: {})
    return tmp_path / "stand_in.py"


def test_progress_is_lines_where_no_terminal_is(job: Path) -> None:
    """Each change is a line, and the end says what was written and under which run."""
    words = [
        {"phase": "read", "done": 0, "total": 0},
        {"phase": "read", "done": 3, "total": 8},
        {"phase": "compute", "done": 8, "total": 8},
        DONE,
    ]
    job.write_text(f"print({chr(10).join(map(json.dumps, words))!r})")
    result = CliRunner().invoke(app, RANGE)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        "reading trades: 3/8 tasks",
        "computing and writing: 8/8 tasks",
    ]
    assert result.stdout == (
        "12 documents of 2 symbols from 7 trades in crypto-history-*, run abc\n"
    )


@pytest.mark.parametrize(("status", "expected"), [(2, 2), (1, 1), (-9, 1)])
def test_the_jobs_last_line_is_the_error(job: Path, status: int, expected: int) -> None:
    """Spark's chatter before it is not shown; a job that was killed failed too."""
    end = "os.kill(os.getpid(), 9)" if status < 0 else f"sys.exit({status})"
    job.write_text(
        "import os, sys\n"
        "print('WARN chatter', file=sys.stderr)\n"
        "print('no trades of X', file=sys.stderr, flush=True)\n" + end
    )
    result = CliRunner().invoke(app, RANGE)
    assert result.exit_code == expected
    assert result.stderr == "error: no trades of X\n"


def test_every_option_reaches_the_job(job: Path) -> None:
    """The job alone judges what was typed, so nothing may be lost on the way."""
    job.write_text(
        "import json, sys\n"
        f"print(json.dumps({{**{DONE!r}, 'run': ' '.join(sys.argv[1:])}}))"
    )  # fmt: skip
    result = CliRunner().invoke(
        app, [*RANGE, "--symbols", "A,B", "--source", "kafka", "--windows", "1h", "--step", "1m",
              "--reference", "A"],
    )  # fmt: skip
    assert (
        "--from=2026-11-22T00:00 --to=2026-11-23T00:00 --symbols=A,B --source=kafka --windows=1h"
        " --step=1m --reference=A" in result.stdout
    )


def test_the_running_stack_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Elasticsearch is where the environment says, else where the running stack has it."""
    found = {"components": [{"name": "elasticsearch", "port": 4711}]}
    monkeypatch.delenv("ELASTICSEARCH_URL", raising=False)
    assert history.search_address(found) == "http://127.0.0.1:4711"
    assert history.search_address({}).endswith(":19200")
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://search:9200")
    assert history.search_address(found) == "http://search:9200"


def test_the_job_is_the_stream_rooms() -> None:
    """The name is a string, for rooms import no other room; it must be one that exists."""
    assert importlib.util.find_spec(f"{history._MODULE}.__main__") is not None
