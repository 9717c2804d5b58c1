"""The settings of the audit, read once from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings


class AuditSettings(ServiceSettings):
    """What is compared, and with which exchange; every field is `AUDIT_<NAME>`.

    Attributes:
        exchange: under which name the trades were stored.
        symbols: names separated by commas; empty takes those quoted in `quote`.
        top: of the symbols quoted in `quote`, so many with the most trades.
        per_minute: requests to the exchange in a minute, one symbol each.
        settle_seconds: a minute is compared so long after its end.
        max_rows: a dump with more is refused; a row takes about 400 bytes of memory.
    """

    model_config = SettingsConfigDict(env_prefix="AUDIT_")

    rest_url: str = Field(default="https://api.bybit.com", pattern=r"^https?://.")
    dumps_url: str = Field(default="https://public.bybit.com", pattern=r"^https?://.")
    exchange: str = Field(default="bybit", pattern=r"^[a-z0-9]{1,32}$")
    category: Literal["spot"] = "spot"
    symbols: str = Field(default="", pattern=r"^[A-Za-z0-9_.@+, -]*$")
    quote: str = Field(default="USDT", pattern=r"^[A-Z0-9]{1,20}$")
    top: int = Field(default=500, ge=1, le=2_000)
    #: One search has to give the candles of all of them: 80 x 120 minutes are below 10,000.
    per_minute: int = Field(default=50, ge=1, le=80)
    settle_seconds: int = Field(default=120, ge=0, le=3_600)
    max_rows: int = Field(default=2_000_000, ge=1_000)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=19120, ge=1, le=65535)

    @property
    def symbol_list(self) -> list[str]:
        """The symbols asked for, once each, in their order."""
        names = (name.strip() for name in self.symbols.split(","))
        return list(dict.fromkeys(name for name in names if name))
