"""The scoreboard's settings, read once from the environment."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings


class ScoreboardSettings(ServiceSettings):
    """What is scored and how often; every field is `SCOREBOARD_<NAME>`.

    Attributes:
        window_minutes: orders of so many minutes make a score.
        every_seconds: between two rounds.
        pointer: the file that names the model in service; if given, a model that is surely worse
            than the base rate is rolled back.
        drift_minutes: length of the windows whose features are compared.
    """

    model_config = SettingsConfigDict(env_prefix="SCOREBOARD_")

    exchange: str = Field(default="bybit", pattern=r"^[a-z0-9]{1,32}$")
    category: str = Field(default="spot", pattern=r"^[a-z]{1,32}$")
    window_minutes: int = Field(default=30, ge=1, le=1_440)
    every_seconds: float = Field(default=60.0, ge=1, le=3_600)
    pointer: Path | None = None
    drift_minutes: int = Field(default=10, ge=1, le=1_440)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=19140, ge=1, le=65535)

    @property
    def window_ms(self) -> int:
        """The window in milliseconds."""
        return self.window_minutes * 60_000

    @property
    def drift_window_ms(self) -> int:
        """The drift window in milliseconds."""
        return self.drift_minutes * 60_000

    @property
    def window(self) -> str:
        """The window's name in documents."""
        return f"{self.window_minutes}m"

    def window_of(self, detector: str) -> str:
        """Name the window that a drift detector looks at."""
        return f"{self.drift_minutes}m" if detector == "psi" else "1m"
