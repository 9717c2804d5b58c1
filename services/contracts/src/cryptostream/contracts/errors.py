"""The three kinds of failure, shared by every room.

transient: the same call may succeed later; retry with back-off.
poison: this input will never succeed; dead-letter it with its reason.
fatal: the process can't do its job; say why and exit.

    CryptostreamError
    ├── ContractError     a message breaks its contract (poison)
    └── SettingsError     the configuration can't be used (fatal)
"""

from __future__ import annotations

from enum import StrEnum


class Failure(StrEnum):
    """What a failure asks of the one place that decides on it."""

    TRANSIENT = "transient"
    POISON = "poison"
    FATAL = "fatal"


class CryptostreamError(Exception):
    """The root of the project's own errors."""

    failure = Failure.FATAL


class ContractError(CryptostreamError, ValueError):
    """A message breaks its contract.

    `reason` is a short stable code, fit for a metric label; the text says which field and why.
    """

    failure = Failure.POISON

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class SettingsError(CryptostreamError):
    """The configuration can't be used; the text lists every problem at once."""
