"""Whether services could use the settings of this environment, before any of them starts.

    python -m cryptostream.contracts.check cryptostream.ingest.settings:IngestSettings ...

Exit status 2 and a line for each class of settings that can't be used.
"""

from __future__ import annotations

import sys
from importlib import import_module

from cryptostream.contracts.errors import SettingsError
from cryptostream.contracts.settings import load_settings


def main(names: list[str]) -> int:
    """Load every class of settings that is named; gives the exit status."""
    status = 0
    for name in names:
        module, _, kind = name.partition(":")
        try:
            load_settings(getattr(import_module(module), kind))
        except SettingsError as error:
            print(error, file=sys.stderr)  # noqa: T201 - this is its output
            status = 2
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
