"""The simulator's settings, read once from `SIMULATOR_*`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings


class SimulatorSettings(ServiceSettings):
    """How the simulated exchange behaves.

    Attributes:
        symbols: comma-separated names; empty for the default universe, or all of the files'.
        rate: mean trades per second over all symbols at speed 1.
        speed: how much faster than real time market time runs.
        impact: planted effect, see `market.Market`; 0 plants nothing.
        file: comma-separated paths of recorded trades; empty for the market model.
        ledger_max: trades held at most; 10 million take about 410 MB.
        send_buffer_bytes: a reader further behind than this is disconnected.
        start_grace_seconds: a replay starts when each symbol has a subscriber, or this long
            after the first one came.
    """

    model_config = SettingsConfigDict(env_prefix="SIMULATOR_")

    host: str = Field(default="127.0.0.1", min_length=1)
    port: int = Field(default=18080, ge=0, le=65535)
    seed: int = Field(default=1, ge=0)
    symbols: str = ""
    rate: float = Field(default=100.0, gt=0, le=200_000)
    speed: float = Field(default=1.0, ge=1, le=100)
    impact: float = Field(default=0.0, ge=0, le=0.5)
    file: str = ""
    ledger_max: int = Field(default=10_000_000, ge=100_000)
    send_buffer_bytes: int = Field(default=8 * 1024 * 1024, ge=64 * 1024)
    start_grace_seconds: float = Field(default=5.0, ge=0, le=600)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols as a tuple."""
        return split_names(self.symbols)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files as a tuple."""
        return tuple(Path(part) for part in _parts(self.file))


def split_names(text: str) -> tuple[str, ...]:
    """Read comma-separated symbols."""
    return tuple(part.upper() for part in _parts(text))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
