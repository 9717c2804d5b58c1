"""Settings: every problem at once, by the variable's own name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict

from cryptostream.contracts.errors import ContractError, CryptostreamError, Failure, SettingsError
from cryptostream.contracts.settings import (
    ElasticsearchSettings,
    KafkaSettings,
    ServiceSettings,
    kafka_options,
    load_settings,
)

if TYPE_CHECKING:
    from pathlib import Path


class Sample(KafkaSettings):
    """A service's settings, as the rooms write them."""

    model_config = SettingsConfigDict(env_prefix="SAMPLE_")

    port: int = Field(default=1, ge=0)
    ratio: float = 0.5
    names: list[str] = Field(default_factory=list)


def test_every_problem_is_listed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """One start shows all that is to be mended, each by the name of its variable."""
    monkeypatch.setenv("SAMPLE_PORT", "many")
    monkeypatch.setenv("SAMPLE_RATIO", "half")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "")
    with pytest.raises(SettingsError) as caught:
        load_settings(Sample)
    text = str(caught.value)
    for name in ("SAMPLE_PORT", "SAMPLE_RATIO", "KAFKA_BOOTSTRAP_SERVERS"):
        assert f"{name}:" in text
    assert "\n" not in text


def test_a_list_that_is_no_json_is_a_settings_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the source itself can't read is a SettingsError too."""
    monkeypatch.setenv("SAMPLE_NAMES", "a,b")
    with pytest.raises(SettingsError, match="names"):
        load_settings(Sample)


def test_settings_come_from_the_environment_and_are_frozen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shared variables have no prefix, a service's own have its prefix; nothing changes later."""
    monkeypatch.setenv("SAMPLE_PORT", "7")
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "kafka:9092")
    monkeypatch.setenv("SAMPLE_UNKNOWN", "ignored")
    settings = load_settings(Sample)
    assert (settings.port, settings.bootstrap_servers) == (7, "kafka:9092")
    with pytest.raises(ValueError, match="frozen"):
        settings.port = 8


def test_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the settings' text nor an error's text holds the password."""
    monkeypatch.setenv("ELASTICSEARCH_PASSWORD", "hunter2")
    assert "hunter2" not in repr(load_settings(ElasticsearchSettings))
    monkeypatch.setenv("ELASTICSEARCH_URL", "nowhere")
    with pytest.raises(SettingsError) as caught:
        load_settings(ElasticsearchSettings)
    assert "ELASTICSEARCH_URL" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_service_without_variables_starts_with_its_defaults() -> None:
    """An empty environment is no error."""
    assert isinstance(load_settings(ServiceSettings), ServiceSettings)


def test_errors_know_what_they_ask_for() -> None:
    """A broken message is poison, everything unforeseen is fatal."""
    assert ContractError("bad_x", "why").failure is Failure.POISON
    assert SettingsError("why").failure is CryptostreamError.failure is Failure.FATAL


def test_elasticsearch_options_hold_what_was_given_and_nothing_else(tmp_path: Path) -> None:
    """Without a user or a CA file the client gets neither; with them it gets both."""
    assert ElasticsearchSettings(url="http://a:1").client_options() == {"hosts": "http://a:1"}
    authority = tmp_path / "ca.pem"
    authority.touch()
    full = ElasticsearchSettings(
        url="https://a:1", username="u", password=SecretStr("p"), ca_certs=str(authority)
    )
    assert full.client_options() == {
        "hosts": "https://a:1",
        "basic_auth": ("u", "p"),
        "ca_certs": str(authority),
    }


def test_an_unreadable_ca_file_is_named_at_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CA file that isn't there is a settings problem, not a TLS failure later."""
    monkeypatch.setenv("ELASTICSEARCH_CA_CERTS", "/nowhere/ca.pem")
    with pytest.raises(SettingsError, match=r"ELASTICSEARCH_CA_CERTS.*/nowhere/ca.pem"):
        load_settings(ElasticsearchSettings)


def test_kafka_without_security_gets_the_address_alone() -> None:
    """A plain broker's clients are told nothing of logins and authorities."""
    settings = KafkaSettings(bootstrap_servers="a:1,b:1")
    assert settings.client_options() == {"bootstrap.servers": "a:1,b:1"}
    assert settings.spark_options() == {"kafka.bootstrap.servers": "a:1,b:1"}


def test_one_login_serves_both_of_kafkas_clients(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's and Spark's clients get the same user, mechanism and authority."""
    authority = tmp_path / "ca.crt"
    authority.touch()
    _login(monkeypatch, password='p"a\\ss', ca_certs=str(authority))
    settings = load_settings(Sample)
    assert kafka_options("kafka:9093") == settings.client_options()
    assert settings.client_options() == {
        "bootstrap.servers": "kafka:9093",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "stream",
        "sasl.password": 'p"a\\ss',
        "ssl.ca.location": str(authority),
    }
    assert settings.spark_options() == {
        "kafka.bootstrap.servers": "kafka:9093",
        "kafka.security.protocol": "SASL_SSL",
        "kafka.sasl.mechanism": "SCRAM-SHA-512",
        "kafka.sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule"
        ' required username="stream" password="p\\"a\\\\ss";',
        "kafka.ssl.truststore.type": "PEM",
        "kafka.ssl.truststore.location": str(authority),
    }


def test_a_login_without_a_password_is_refused_and_none_is_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The variables that lack are named; a password that is there appears in no text."""
    _login(monkeypatch, password="")
    with pytest.raises(SettingsError, match="KAFKA_SASL_PASSWORD"):
        load_settings(KafkaSettings)
    _login(monkeypatch, password="hunter2")
    assert "hunter2" not in repr(load_settings(KafkaSettings))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("KAFKA_SECURITY_PROTOCOL", "TLS"),
        ("KAFKA_SASL_MECHANISM", "OAUTHBEARER"),
        ("KAFKA_CA_CERTS", "/nowhere/ca.crt"),
    ],
)
def test_kafkas_security_is_checked_at_the_start(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown protocol or mechanism and a missing file are named by their variable."""
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=name):
        load_settings(Sample)


def _login(monkeypatch: pytest.MonkeyPatch, *, password: str, ca_certs: str = "") -> None:
    for name, value in {
        "KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
        "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
        "KAFKA_SASL_USERNAME": "stream",
        "KAFKA_SASL_PASSWORD": password,
        "KAFKA_CA_CERTS": ca_certs,
    }.items():
        monkeypatch.setenv(name, value)
