"""Conventions of the settings: one frozen object per service, read once from the environment.

A service's own settings carry its prefix (`INGEST_`, `STREAM_`, ...). What several services
share has one name for all: `KAFKA_BOOTSTRAP_SERVERS`, `ELASTICSEARCH_URL`,
`ELASTICSEARCH_USERNAME`, `ELASTICSEARCH_PASSWORD`, `ELASTICSEARCH_CA_CERTS`.
"""

from __future__ import annotations

import os
from typing import Any, TypeVar

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from cryptostream.contracts.errors import SettingsError


class ServiceSettings(BaseSettings):
    """The base of every service's settings; subclasses set `env_prefix`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class KafkaSettings(ServiceSettings):
    """How to reach Kafka."""

    bootstrap_servers: str = Field(
        default="127.0.0.1:19092", validation_alias="KAFKA_BOOTSTRAP_SERVERS", min_length=1
    )


class ElasticsearchSettings(ServiceSettings):
    """How to reach Elasticsearch."""

    url: str = Field(
        default="http://127.0.0.1:19200",
        validation_alias="ELASTICSEARCH_URL",
        pattern=r"^https?://",
    )
    username: str = Field(default="", validation_alias="ELASTICSEARCH_USERNAME")
    password: SecretStr = Field(default=SecretStr(""), validation_alias="ELASTICSEARCH_PASSWORD")
    ca_certs: str = Field(default="", validation_alias="ELASTICSEARCH_CA_CERTS")

    @field_validator("ca_certs")
    @classmethod
    def _is_readable(cls, path: str) -> str:
        """Refuse a file that can't be read now: the client would only say that TLS failed."""
        if path and not os.access(path, os.R_OK):
            raise ValueError(f"can't read {path!r}; give the path of a PEM file")
        return path

    def client_options(self) -> dict[str, Any]:
        """Give the options with which any client of the `elasticsearch` package gets there."""
        options: dict[str, Any] = {"hosts": self.url}
        if self.username:
            options["basic_auth"] = (self.username, self.password.get_secret_value())
        if self.ca_certs:
            options["ca_certs"] = self.ca_certs
        return options


AnySettings = TypeVar("AnySettings", bound=ServiceSettings)


def load_settings(kind: type[AnySettings]) -> AnySettings:
    """Read the settings from the environment; raises `SettingsError` naming every problem."""
    try:
        return kind()
    except ValidationError as error:
        prefix = kind.model_config.get("env_prefix", "")
        problems = "; ".join(
            f"{_variable(prefix, item['loc'])}: {item['msg']}" for item in error.errors()
        )
        raise SettingsError(f"Settings can't be used: {problems}") from error
    except SourceError as error:
        # A variable of a list or mapping type that holds no JSON never reaches the validation.
        raise SettingsError(f"Settings can't be used: {error}") from error


def _variable(prefix: str, loc: tuple[int | str, ...]) -> str:
    name = str(loc[0]) if loc else ""
    return name if name.isupper() else f"{prefix}{name}".upper()
