"""The `cryptostream` command."""

from __future__ import annotations

import os
import sys
from typing import Final

from cryptostream.cli.commands import app
from cryptostream.cli.errors import USAGE_STATUS
from cryptostream.cli.history import history
from cryptostream.cli.models import register as register_models
from cryptostream.cli.redrive import redrive
from cryptostream.contracts.errors import CryptostreamError

#: Files that Elasticsearch's account must read; a stricter mask of the user's would close them.
_UMASK: Final = 0o022

app.command()(history)
app.command()(redrive)
register_models(app)


def main() -> None:
    """Run the command; an error is one message on standard error and status 2."""
    os.umask(_UMASK)
    try:
        app()
    except CryptostreamError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(USAGE_STATUS)


if __name__ == "__main__":
    main()
