"""Settings of the history job, read once at the start."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings
from cryptostream.contracts.topics import TRADES_PATTERN


class HistorySettings(ServiceSettings):
    """What the job needs to know of its machine; fields are `HISTORY_<NAME>`, but for the jars."""

    model_config = SettingsConfigDict(
        env_prefix="HISTORY_", frozen=True, extra="ignore", populate_by_name=True
    )

    #: The stream's own folder of jars; only the source Kafka needs it.
    jars: Path | None = Field(default=None, validation_alias="STREAM_JARS")
    topics_pattern: str = TRADES_PATTERN
    cores: int = Field(default=2, ge=1, le=256)
    heap_megabytes: int = Field(default=768, ge=512)
    #: Each is one task that reads a part of the trades, and one that computes some symbols.
    tasks: int = Field(default=8, ge=1, le=512)
