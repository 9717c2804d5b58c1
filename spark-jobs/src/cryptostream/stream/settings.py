"""Settings of the stream, read once at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings
from cryptostream.contracts.topics import TRADES_PATTERN
from cryptostream.stream.rules import SHIPPED


class StreamSettings(ServiceSettings):
    """What the stream needs to know; every field is `STREAM_<NAME>` in the environment."""

    model_config = SettingsConfigDict(env_prefix="STREAM_", frozen=True, extra="ignore")

    checkpoint: Path = Field(description="folder of the queries' progress; survives restarts")
    jars: Path = Field(description="folder with the Kafka connector's jars")
    predictor_url: str = Field(default="http://127.0.0.1:13000", pattern=r"^https?://")
    #: Bounds what an outage of the predictor costs a batch, once per circuit-breaker period.
    predictor_timeout_seconds: float = Field(default=2.0, gt=0, le=30)
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=19110, ge=1, le=65535)
    topics_pattern: str = TRADES_PATTERN
    #: Bounds the memory of catching up; at 10,000 Elasticsearch's throughput halves.
    max_offsets_per_trigger: int = Field(default=50_000, ge=100)
    #: A batch begins at most so often, and at once if the one before took longer; 0 never waits.
    trigger_seconds: float = Field(default=0.25, ge=0, le=60)
    #: Each task costs a batch a fixed 10-30 ms; more than one pays at high rates only.
    read_tasks: int = Field(default=1, ge=1, le=64)
    #: Within it a repeated trade leaves features alone; its document has one id for ever.
    dedup_horizon_seconds: int = Field(default=300, ge=10)
    #: A candle is final so long after its end, by the newest trade; two ingest pods differ by less.
    lateness_seconds: float = Field(default=2.0, ge=0, le=60)
    #: An open candle of 1s or 1m is rewritten at most so often; longer ones 5 times as seldom.
    candle_update_seconds: float = Field(default=1.0, ge=0, le=60)
    #: A bulk asks to be searchable at once if none did for so long; 0 leaves it to the indices.
    refresh_seconds: float = Field(default=0.2, ge=0, le=60)
    #: The alert rules, a TOML file; the package's own if it is not set.
    rules: Path = SHIPPED
    heap_megabytes: int = Field(default=896, ge=512)
    #: Where trades are predicted, rendered and written.
    placement: Literal["driver", "executors"] = "driver"
    #: `defaults` leaves the master and the driver's address to Spark's own spark-defaults.conf.
    master: Literal["local", "defaults"] = "local"
    cores: int = Field(default=2, ge=1)
    consumer_group: str = "cryptostream-stream"
