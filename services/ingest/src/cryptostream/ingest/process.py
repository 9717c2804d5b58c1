"""What every process of ingest does around its service: settings, signals, exit status."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from random import Random
from typing import TYPE_CHECKING, Protocol, TypeVar

import uvloop

from cryptostream.contracts.errors import CryptostreamError, SettingsError
from cryptostream.contracts.logs import configure_logging
from cryptostream.contracts.settings import ServiceSettings, load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

log = logging.getLogger(__name__)
Settings = TypeVar("Settings", bound=ServiceSettings)


class Runs(Protocol):
    """A service."""

    async def run(self, stop: asyncio.Event) -> int:
        """Run until `stop` is set and give the number of messages that stayed behind."""


def run_service(kind: type[Settings], service: Callable[[Settings, Random], Runs]) -> int:
    """Run the service until SIGTERM or SIGINT and give the exit status.

    0 after such a signal, 1 if only a restart can help or messages stayed behind, 2 if the settings
    can't be used.
    """
    configure_logging()
    try:
        settings = load_settings(kind)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            left = runner.run(_until_told(lambda: service(settings, Random())))  # noqa: S311 - jitter
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    except CryptostreamError as error:
        log.critical("gave_up", extra={"fields": {"error": error}})
        return 1
    return 1 if left else 0


async def _until_told(service: Callable[[], Runs]) -> int:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return await service().run(stop)
