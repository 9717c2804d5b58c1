"""The board's settings, read once from the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings


class BoardSettings(ServiceSettings):
    """Where the page is served, how often the poller asks, how many may look, and who.

    With a user name everyone is asked for it and for the password, which may lie in a file.
    """

    model_config = SettingsConfigDict(
        env_prefix="BOARD_", frozen=True, extra="ignore", populate_by_name=True
    )

    host: str = Field(default="127.0.0.1", min_length=1)
    #: 0 takes a free port, which the log names.
    port: int = Field(default=18000, ge=0, le=65535)
    poll_ms: int = Field(default=300, ge=100, le=5000)
    max_viewers: int = Field(default=500, ge=1, le=10_000)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
    username: str = Field(default="", max_length=100, pattern="^[^:]*$")
    password: SecretStr = SecretStr("")
    password_file: str = ""
    #: Prometheus metrics that tell each component's memory; the page shows none without.
    memory_url: str = Field(default="", pattern="^(https?://.+)?$")

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if bool(self.username) != bool(self.secret()):
            raise ValueError(
                "BOARD_USERNAME needs BOARD_PASSWORD or BOARD_PASSWORD_FILE, and they need it"
            )
        return self

    def secret(self) -> str:
        """Give the password; raises `ValueError` if its file can't be read."""
        if not self.password_file:
            return self.password.get_secret_value()
        try:
            return Path(self.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"BOARD_PASSWORD_FILE: can't read {self.password_file!r}") from error
