"""Settings of the stream, read once at the start."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import ServiceSettings
from cryptostream.contracts.topics import TRADES_PATTERN

#: Written into the checkpoint's path: a query of another shape never meets an old checkpoint.
CHECKPOINT_VERSION: Final = "v1"


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
    #: Each task costs a batch a fixed 10-30 ms; more than one pays at high rates only.
    read_tasks: int = Field(default=1, ge=1, le=64)
    #: Frozen into the checkpoint: each partition costs every stateful batch a fixed 30-100 ms.
    shuffle_partitions: int = Field(default=1, ge=1, le=64)
    #: Within it a repeated trade leaves features alone; its document has one id for ever.
    dedup_horizon_seconds: int = Field(default=300, ge=10)
    #: Counted from a candle's start, so the longest interval plus what may come late. Spark scans
    #: this much of its deduplication state in every batch.
    watermark_seconds: int = Field(default=90, ge=60)
    #: On two cores a shorter one takes from the trades what it gives to the candles.
    candle_trigger_seconds: float = Field(default=5.0, ge=0)
    heap_megabytes: int = Field(default=896, ge=512)
    cores: int = Field(default=2, ge=1)
    consumer_group: str = "cryptostream-stream"
