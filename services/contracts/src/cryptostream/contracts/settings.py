"""Conventions of the settings: one frozen object per service, read once from the environment.

A service's own settings carry its prefix (`INGEST_`, `STREAM_`, ...). What several services
share has one name for all: `KAFKA_BOOTSTRAP_SERVERS` and the other `KAFKA_*` of `KafkaSettings`,
`ELASTICSEARCH_URL`, `ELASTICSEARCH_USERNAME`, `ELASTICSEARCH_PASSWORD`, `ELASTICSEARCH_CA_CERTS`.
"""

from __future__ import annotations

import os
from typing import Annotated, Any, Final, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as SourceError

from cryptostream.contracts.errors import SettingsError


class ServiceSettings(BaseSettings):
    """The base of every service's settings; subclasses set `env_prefix`."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True)


def _readable(path: str) -> str:
    """Refuse a file that can't be read now: a client would only say that TLS failed."""
    if path and not os.access(path, os.R_OK):
        raise ValueError(f"can't read {path!r}; give the path of a PEM file")
    return path


PemFile = Annotated[str, AfterValidator(_readable)]

#: The login module that Kafka's Java client needs for a mechanism.
_JAAS_MODULES: Final = {
    "PLAIN": "org.apache.kafka.common.security.plain.PlainLoginModule",
    "SCRAM-SHA-256": "org.apache.kafka.common.security.scram.ScramLoginModule",
    "SCRAM-SHA-512": "org.apache.kafka.common.security.scram.ScramLoginModule",
}


class KafkaSettings(ServiceSettings):
    """How to reach Kafka, in the words of Kafka's own clients.

    Attributes:
        bootstrap_servers: `host:port`, several separated by commas.
        security_protocol: with `SASL_` a user and password are needed.
        ca_certs: a PEM file with the authorities that sign the brokers; empty takes the system's.
    """

    bootstrap_servers: str = Field(
        default="127.0.0.1:19092", validation_alias="KAFKA_BOOTSTRAP_SERVERS", min_length=1
    )
    security_protocol: Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"] = Field(
        default="PLAINTEXT", validation_alias="KAFKA_SECURITY_PROTOCOL"
    )
    sasl_mechanism: Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] = Field(
        default="SCRAM-SHA-512", validation_alias="KAFKA_SASL_MECHANISM"
    )
    sasl_username: str = Field(default="", validation_alias="KAFKA_SASL_USERNAME")
    sasl_password: SecretStr = Field(default=SecretStr(""), validation_alias="KAFKA_SASL_PASSWORD")
    ca_certs: PemFile = Field(default="", validation_alias="KAFKA_CA_CERTS")

    @model_validator(mode="after")
    def _login_is_whole(self) -> Self:
        if self._uses_sasl and not (self.sasl_username and self.sasl_password.get_secret_value()):
            raise ValueError(
                f"KAFKA_SECURITY_PROTOCOL={self.security_protocol} needs KAFKA_SASL_USERNAME and "
                "KAFKA_SASL_PASSWORD"
            )
        return self

    @property
    def _uses_sasl(self) -> bool:
        return self.security_protocol.startswith("SASL_")

    @property
    def _uses_tls(self) -> bool:
        return self.security_protocol.endswith("SSL")

    def client_options(self) -> dict[str, Any]:
        """Give the options with which any client of `confluent_kafka` gets there."""
        options: dict[str, Any] = {"bootstrap.servers": self.bootstrap_servers}
        if self.security_protocol != "PLAINTEXT":
            options["security.protocol"] = self.security_protocol
        if self._uses_sasl:
            options["sasl.mechanism"] = self.sasl_mechanism
            options["sasl.username"] = self.sasl_username
            options["sasl.password"] = self.sasl_password.get_secret_value()
        if self._uses_tls and self.ca_certs:
            options["ssl.ca.location"] = self.ca_certs
        return options

    def spark_options(self) -> dict[str, str]:
        """Give the same to Spark's Kafka source, which speaks through Kafka's Java client."""
        options = {"bootstrap.servers": self.bootstrap_servers}
        if self.security_protocol != "PLAINTEXT":
            options["security.protocol"] = self.security_protocol
        if self._uses_sasl:
            options["sasl.mechanism"] = self.sasl_mechanism
            options["sasl.jaas.config"] = (
                f"{_JAAS_MODULES[self.sasl_mechanism]} required"
                f" username={_quoted(self.sasl_username)}"
                f" password={_quoted(self.sasl_password.get_secret_value())};"
            )
        if self._uses_tls and self.ca_certs:
            options["ssl.truststore.type"] = "PEM"
            options["ssl.truststore.location"] = self.ca_certs
        return {f"kafka.{name}": value for name, value in options.items()}


def kafka_options(bootstrap_servers: str) -> dict[str, Any]:
    """Give a client's options for these servers, with the login and CA file of the environment.

    For clients that are made deep inside: the service has loaded `KafkaSettings` at its start, so
    what the environment says is known to be sound.
    """
    return KafkaSettings(bootstrap_servers=bootstrap_servers).client_options()


def _quoted(text: str) -> str:
    """Quote a value for JAAS, which knows the escapes of a Java string."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


class ElasticsearchSettings(ServiceSettings):
    """How to reach Elasticsearch."""

    url: str = Field(
        default="http://127.0.0.1:19200",
        validation_alias="ELASTICSEARCH_URL",
        pattern=r"^https?://",
    )
    username: str = Field(default="", validation_alias="ELASTICSEARCH_USERNAME")
    password: SecretStr = Field(default=SecretStr(""), validation_alias="ELASTICSEARCH_PASSWORD")
    ca_certs: PemFile = Field(default="", validation_alias="ELASTICSEARCH_CA_CERTS")

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
