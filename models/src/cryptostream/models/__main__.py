"""The commands of the models room: `python -m cryptostream.models COMMAND --help`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.logs import configure_logging
from cryptostream.models.errors import LeakError

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Each names its module in `cryptostream.models.commands`.
COMMANDS: Final = (
    "export", "train", "evaluate", "parity", "learn", "rollback", "scoreboard",
)  # fmt: skip
LEAK_STATUS: Final = 1
USAGE_STATUS: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives its status, 1 for a suspected leak, 2 with one line of what is wrong."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parser(given[:1]).parse_args(given)
    configure_logging("WARNING")
    try:
        status: int = options.run(options)
    except (CryptostreamError, OSError) as error:
        sys.stderr.write(f"{options.command}: {error}\n")
        return LEAK_STATUS if isinstance(error, LeakError) else USAGE_STATUS
    return status


def _parser(named: list[str]) -> argparse.ArgumentParser:
    """Know all commands, or only the one that is named: a scoreboard needs no scikit-learn."""
    parser = argparse.ArgumentParser(prog="python -m cryptostream.models", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in [one for one in COMMANDS if one in named] or COMMANDS:
        module = import_module(f"cryptostream.models.commands.{name}")
        command = commands.add_parser(name, help=module.HELP, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
