"""`python -m cryptostream.ingest.exchanges`: read an exchange beside Bybit until told to stop.

Exit status: 0 after SIGTERM or SIGINT, 1 if only a restart can help or messages stayed behind,
2 if the settings can't be used.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from random import Random

from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.settings import load_settings
from cryptostream.ingest.adapters.service import Service
from cryptostream.ingest.adapters.settings import ExchangesSettings

log = logging.getLogger("cryptostream.ingest.exchanges")


async def _run(settings: ExchangesSettings) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await Service(settings, Random()).run(stop)  # noqa: S311 - jitter, no secret


def main() -> int:
    """Run the service and give its exit status."""
    configure_logging()
    try:
        left = asyncio.run(_run(load_settings(ExchangesSettings)))
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except CryptostreamError as error:
        log.critical("gave_up", extra={"fields": {"error": error}})
        return 1
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
