"""Wire the history job: `python -m cryptostream.stream.history --from ... --to ...`.

Progress is one JSON object a line on standard output: `phase`, `done` and `total` tasks; the
last one has `phase` "done" and what was done. An error is the last line on standard error.
Exit status: 0, 1 when a server failed, 2 when what was asked can't be done.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings
from cryptostream.stream.history.request import HistoryError, Request, parse_request
from cryptostream.stream.history.settings import HistorySettings


def main(arguments: list[str]) -> int:
    """Run the job; gives the exit status."""
    try:
        _run(parse_request(**vars(_parser().parse_args(arguments))))
    except (HistoryError, SettingsError) as error:
        return _fail(error, 2)
    except CryptostreamError as error:
        return _fail(error, 1)
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m cryptostream.stream.history")
    parser.add_argument("--from", dest="from_time", required=True, metavar="TIME")
    parser.add_argument("--to", dest="to_time", required=True, metavar="TIME")
    for name in ("symbols", "source", "windows", "step", "reference"):
        parser.add_argument(f"--{name}", default=argparse.SUPPRESS)
    return parser


def _run(request: Request) -> None:
    settings = load_settings(HistorySettings)
    servers: dict[str, Any] = {
        "kafka": load_settings(KafkaSettings),
        "elasticsearch": load_settings(ElasticsearchSettings),
    }
    # Spark takes a second to import; a mistyped date is told at once.
    from cryptostream.stream.history.failures import explained  # noqa: PLC0415
    from cryptostream.stream.history.job import Job  # noqa: PLC0415

    with explained():
        done = Job(request, settings=settings, tell=_tell, **servers).run()
    _tell({"phase": "done", **done})


def _tell(progress: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(progress) + "\n")
    sys.stdout.flush()


def _fail(error: Exception, status: int) -> int:
    sys.stderr.write(" ".join(str(error).split()) + "\n")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
