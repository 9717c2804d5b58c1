"""The set-up's patience: in a cluster it starts beside the servers that it prepares."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Final, TypeVar

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.cli.errors import CliError
from cryptostream.contracts.settings import ServiceSettings

if TYPE_CHECKING:
    from collections.abc import Callable

RETRY_SECONDS: Final = 5.0
Result = TypeVar("Result")


class SetupSettings(ServiceSettings):
    """How servers are prepared; every field is `SETUP_<NAME>`.

    Attributes:
        wait_seconds: for so long a server that isn't ready is tried again; 0 tries once.
        index_replicas: copies of each index beside the first.
    """

    model_config = SettingsConfigDict(env_prefix="SETUP_")

    wait_seconds: float = Field(default=0.0, ge=0, le=3_600)
    index_replicas: int = Field(default=0, ge=0, le=10)


def patiently(
    task: Callable[[], Result],
    within: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    say: Callable[[str], object] = sys.stderr.write,
) -> Result:
    """Do the task, again and again while it fails with `CliError`, for `within` seconds.

    Each trouble is told once, so that a wrong password is seen long before the time is up.
    """
    deadline = clock() + within
    told = ""
    while True:
        try:
            return task()
        except CliError as error:
            if clock() + RETRY_SECONDS > deadline:
                raise
            if error.problem != told:
                say(f"waiting: {error.problem}\n")
                told = error.problem
        sleep(RETRY_SECONDS)
