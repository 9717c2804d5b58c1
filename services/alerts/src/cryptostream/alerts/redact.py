"""The last line against a secret in a log: every line is searched for it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from cryptostream.contracts.logs import JsonLines

if TYPE_CHECKING:
    from pydantic import SecretStr

#: httpx logs every URL at INFO, and with it the token.
_CHATTY: Final = ("httpx", "httpcore")


class Redacted(JsonLines):
    """Formats a record as JSON and hides the secrets, wherever they stand."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """Render the record without the secrets."""
        line = super().format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


def hide(*secrets: SecretStr) -> None:
    """Keep secrets out of all logs from now on; and quiet those who log URLs."""
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.WARNING)
    values = tuple(value for secret in secrets if (value := secret.get_secret_value()))
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Redacted(values))
