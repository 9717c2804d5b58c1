"""Preparing servers that are not there."""

from __future__ import annotations

import pytest

from cryptostream.cli import setup
from cryptostream.cli.errors import CliError
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings


def test_a_kafka_that_does_not_answer_is_one_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says what to correct; no exception of the client library comes out."""
    monkeypatch.setattr(setup, "_ANSWER_SECONDS", 1)
    with pytest.raises(CliError, match="KAFKA_BOOTSTRAP_SERVERS"):
        setup.create_topics(KafkaSettings(bootstrap_servers="127.0.0.1:1"))


def test_an_elasticsearch_that_does_not_answer_is_one_clear_error() -> None:
    """The error names the URL."""
    with pytest.raises(CliError, match=r"http://127\.0\.0\.1:1 "):
        setup.put_templates(ElasticsearchSettings(url="http://127.0.0.1:1"))
