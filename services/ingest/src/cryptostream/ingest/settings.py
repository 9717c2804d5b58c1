"""The settings of ingest, read once from the environment."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.settings import KafkaSettings
from cryptostream.ingest.sharding import Shard

_NAMES: Final = r"^[A-Za-z0-9_.@+*?\[\]!, -]*$"


class IngestSettings(KafkaSettings):
    """Where trades come from, which of them, and where they go.

    Attributes:
        ws_url: by default Bybit's own stream of the category.
        symbols: names or patterns (`*`, `?`, `[...]`) separated by commas; empty takes every
            instrument quoted in `quote`.
        deny: names or patterns that are left out.
        coordination: `static` reads the share that `shard` says, `lease` shares the symbols
            with all pods that hold a lease.
        shard: `i/n`, the part of the symbols that this process reads.
        replicas: how many instances read each symbol; by default 1 if static, 2 with leases.
        connections: how many connections of this process read each symbol, 1 or 2.
        connection_budget: new connections within 5 minutes at most, over all.
        instruments_seconds: how often new and delisted symbols are looked for.
        grace_seconds: what a shutdown may take.
        pod_name, pod_namespace, pod_uid: who we are in Kubernetes, without the prefix.
        kubeconfig: a file's path, for leases from outside of the cluster.
    """

    model_config = SettingsConfigDict(env_prefix="INGEST_")

    ws_url: str = Field(default="wss://stream.bybit.com/v5/public/spot", pattern=r"^wss?://.")
    rest_url: str = Field(default="https://api.bybit.com", pattern=r"^https?://.")
    exchange: Literal["bybit"] = "bybit"
    category: Literal["spot", "linear", "inverse"] = "spot"
    symbols: str = Field(default="", pattern=_NAMES)
    deny: str = Field(default="", pattern=_NAMES)
    quote: str = Field(default="USDT", pattern=r"^[A-Z0-9]{1,20}$")
    coordination: Literal["static", "lease"] = "static"
    shard: str = "0/1"
    replicas: int | None = Field(default=None, ge=1, le=10)
    connections: Literal[1, 2] = 1
    connection_budget: int = Field(default=100, ge=1, le=500)
    instruments_seconds: float = Field(default=300.0, ge=1.0, le=86_400.0)
    grace_seconds: float = Field(default=20.0, ge=1.0, le=600.0)
    pod_name: str = Field(default="", validation_alias="POD_NAME")
    pod_namespace: str = Field(default="", validation_alias="POD_NAMESPACE")
    pod_uid: str = Field(default="", validation_alias="POD_UID")
    kubeconfig: str = ""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(default=19101, ge=0, le=65535)

    @field_validator("shard")
    @classmethod
    def _shard_is_sound(cls, value: str) -> str:
        return str(Shard.parse(value))

    @field_validator("connections", mode="before")
    @classmethod
    def _connections_is_a_number(cls, value: object) -> object:
        return int(value) if isinstance(value, str) and value.isdecimal() else value

    @model_validator(mode="after")
    def _pod_has_a_name(self) -> Self:
        if self.coordination == "lease" and not self.pod_name:
            raise ValueError("INGEST_COORDINATION=lease needs POD_NAME, the pod's metadata.name")
        return self

    @property
    def stream_url(self) -> str:
        """Where the stream of the category is."""
        if "ws_url" in self.model_fields_set:
            return self.ws_url
        return f"wss://stream.bybit.com/v5/public/{self.category}"

    @property
    def owners(self) -> int:
        """How many instances read each symbol."""
        return self.replicas or (1 if self.coordination == "static" else 2)

    @property
    def symbol_list(self) -> list[str]:
        """The symbols asked for, once each, in their order."""
        return _split(self.symbols)

    @property
    def deny_list(self) -> list[str]:
        """The symbols left out."""
        return _split(self.deny)


def _split(text: str) -> list[str]:
    names = (name.strip() for name in text.split(","))
    return list(dict.fromkeys(name for name in names if name))
