"""The board's settings, read once from the environment."""

from __future__ import annotations

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings


class BoardSettings(ServiceSettings):
    """Where the page is served, how often the poller asks and how many may look."""

    model_config = SettingsConfigDict(
        env_prefix="BOARD_", frozen=True, extra="ignore", populate_by_name=True
    )

    host: str = Field(default="127.0.0.1", min_length=1)
    #: 0 takes a free port, which the log names.
    port: int = Field(default=18000, ge=0, le=65535)
    poll_ms: int = Field(default=300, ge=100, le=5000)
    max_viewers: int = Field(default=500, ge=1, le=10_000)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
