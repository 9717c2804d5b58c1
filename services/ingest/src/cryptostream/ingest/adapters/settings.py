"""The settings of `python -m cryptostream.ingest.exchanges`, read once from the environment."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import KafkaSettings
from cryptostream.ingest.adapters.venues import VENUES


class ExchangesSettings(KafkaSettings):
    """Which exchange is read, which of its symbols, and where the metrics are served.

    Attributes:
        exchange: one of `VENUES`.
        symbols: names separated by commas, unified (`BTC/USDT`) or the exchange's own; empty takes
            every active spot instrument quoted in `quote`.
        rest_url: where the exchange is, if not where ccxt knows it to be.
        ws_url: the same for its WebSocket.
        silence_seconds: a connection that brings no trade for so long is made anew.
    """

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    exchange: str
    symbols: str = Field(default="", pattern=r"^[A-Za-z0-9_.@+/, -]*$")
    quote: str = Field(default="USDT", pattern=r"^[A-Z0-9]{1,20}$")
    rest_url: str = Field(default="", pattern=r"^(https?://.+)?$")
    ws_url: str = Field(default="", pattern=r"^(wss?://.+)?$")
    silence_seconds: float = Field(default=120.0, ge=1.0, le=3600.0)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=19111, ge=0, le=65535)

    @field_validator("exchange")
    @classmethod
    def _exchange_is_ours(cls, value: str) -> str:
        if value == "bybit":
            raise ValueError(
                "bybit has a reader of its own: run `python -m cryptostream.ingest`; "
                "ccxt asks for more topics at once than Bybit grants"
            )
        if value not in VENUES:
            raise ValueError(f"{value[:40]!r} is not known; choose one of {', '.join(VENUES)}")
        return value

    @property
    def symbol_list(self) -> list[str]:
        """The symbols asked for, once each, in their order."""
        names = (name.strip() for name in self.symbols.split(","))
        return list(dict.fromkeys(name for name in names if name))
