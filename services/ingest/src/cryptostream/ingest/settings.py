"""The settings of ingest, read once from the environment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import KafkaSettings
from cryptostream.ingest.sharding import Shard


class IngestSettings(KafkaSettings):
    """Where trades come from, which of them, and where they go.

    Attributes:
        symbols: names separated by commas; empty takes every instrument quoted in `quote`.
        shard: `i/n`, the part of the symbols that this process reads.
    """

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    ws_url: str = Field(default="wss://stream.bybit.com/v5/public/spot", pattern=r"^wss?://.")
    rest_url: str = Field(default="https://api.bybit.com", pattern=r"^https?://.")
    exchange: Literal["bybit"] = "bybit"
    category: Literal["spot", "linear", "inverse"] = "spot"
    symbols: str = Field(default="", pattern=r"^[A-Za-z0-9_.@+, -]*$")
    quote: str = Field(default="USDT", pattern=r"^[A-Z0-9]{1,20}$")
    shard: str = "0/1"
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=19101, ge=0, le=65535)

    @field_validator("shard")
    @classmethod
    def _shard_is_sound(cls, value: str) -> str:
        return str(Shard.parse(value))

    @property
    def symbol_list(self) -> list[str]:
        """The symbols asked for, once each, in their order."""
        names = (name.strip() for name in self.symbols.split(","))
        return list(dict.fromkeys(name for name in names if name))
