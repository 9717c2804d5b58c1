"""Run the stack for an hour with a viewer at the board; the last line is JSON.

It tells what was lost or doubled, how memory grew (MB an hour, by least squares), and what the logs
and the browser complained of. Status 1 if there was anything of that.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any, Final

from demo_run import running_demo

from soak.viewer import CHROMIUM, Viewer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Of each component's complaints so many are shown.
SHOWN: Final = 5
MAX_CHARS: Final = 300


def complaints(log: Path) -> Iterator[str]:
    """Give the errors of a log: events of that level, and uncaught exceptions."""
    with log.open(errors="replace") as lines:
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                if line.startswith(("Traceback", "Exception in thread")):
                    yield line.strip()
                continue
            if isinstance(event, dict) and event.get("level") in {"error", "critical"}:
                yield line.strip()


def run(rate: float, seconds: int) -> dict[str, Any]:
    """Run it; gives the demo's report with `log_errors`, `page_errors` and `page_looks`."""
    with running_demo("--feed", "sim", "--rate", str(rate), "--for", str(seconds)) as demo:
        board = demo.urls().get("board", "")
        viewer = Viewer(board) if board and CHROMIUM.exists() else None
        demo.wait_measured()
        if viewer is not None:
            viewer.leave()
        told = demo.report()
        logs = sorted((demo.folder / "logs").glob("*.log"))
        errors = {log.stem: found for log in logs if (found := list(complaints(log)))}
    troubles = viewer.troubles if viewer else []
    show({**errors, "page": troubles})
    return told | {
        "rate": rate,
        "log_errors": {name: len(found) for name, found in errors.items()},
        "page_errors": len(troubles) if viewer else None,
        "page_looks": viewer.looks if viewer else 0,
    }


def show(found: dict[str, list[str]]) -> None:
    """Print the first complaints of each."""
    for name, lines in found.items():
        for line in lines[:SHOWN]:
            sys.stdout.write(f"{name}: {line[:MAX_CHARS]}\n")


def main() -> int:
    """Run what was asked for; status 1 if something was lost, doubled or complained of."""
    parser = argparse.ArgumentParser(prog="soak", description=__doc__)
    parser.add_argument("--rate", type=float, default=1000.0, help="trades a second")
    parser.add_argument("--seconds", type=int, default=3600)
    given = parser.parse_args()
    told = run(given.rate, given.seconds)
    sys.stdout.write(json.dumps(told) + "\n")
    bad = ("lost", "duplicates", "log_errors", "page_errors")
    return 1 if any(told[name] for name in bad) else 0


if __name__ == "__main__":
    sys.exit(main())
