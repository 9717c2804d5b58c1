"""The simulator's settings, read once from `SIMULATOR_*`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings
from cryptostream.simulator.gate import Budget


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
        faults: path of a script of faults, see `faults.py`; empty for none.
        max_args: topics of one request; Bybit's spot takes 10, and 0 lifts the limit.
        max_topic_chars: total length of a connection's topics; Bybit's 21,000, and 0 for none.
        max_new_connections: of one address within the window; Bybit's 500, and 0 for no limit.
        connection_window_seconds: that window.
        ban_seconds: how long an address beyond it gets 403.
        max_connections: of one address at a time; Bybit's 1000, and 0 for no limit.
        tls_port: a second port that serves the same over TLS; 0 for none.
        tls_dir: folder for its self-signed certificate, `tls.pem`, made anew at each start.
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
    faults: str = ""
    max_args: int = Field(default=10, ge=0, le=10_000)
    max_topic_chars: int = Field(default=21_000, ge=0, le=10_000_000)
    max_new_connections: int = Field(default=0, ge=0, le=1_000_000)
    connection_window_seconds: float = Field(default=300.0, gt=0, le=86_400)
    ban_seconds: float = Field(default=600.0, gt=0, le=86_400)
    max_connections: int = Field(default=0, ge=0, le=1_000_000)
    tls_port: int = Field(default=0, ge=0, le=65535)
    tls_dir: str = ""
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")

    @property
    def names(self) -> tuple[str, ...]:
        """The symbols as a tuple."""
        return split_names(self.symbols)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files as a tuple."""
        return tuple(Path(part) for part in _parts(self.file))

    @property
    def budget(self) -> Budget:
        """The limits on new connections."""
        return Budget(
            self.max_new_connections,
            self.connection_window_seconds,
            self.ban_seconds,
            self.max_connections,
        )


def split_names(text: str) -> tuple[str, ...]:
    """Read comma-separated symbols."""
    return tuple(part.upper() for part in _parts(text))


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
