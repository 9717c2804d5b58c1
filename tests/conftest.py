"""Servers that the tests share: one of each per session, started when first asked for."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from support.servers import running_elasticsearch, running_kafka

from cryptostream.cli.setup import create_topics, put_templates
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the drills out, unless the markers asked for name them; check the chart last.

    Its tools may still be in the making.
    """
    items.sort(key=lambda item: "chart" in item.path.parts)
    if "drill" in config.option.markexpr:
        return
    drills = [item for item in items if item.get_closest_marker("drill")]
    config.hook.pytest_deselected(items=drills)
    items[:] = [item for item in items if item not in drills]


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """Give the address of a real Kafka with the contract's topics (KAFKA_BOOTSTRAP_SERVERS)."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        create_topics(KafkaSettings(bootstrap_servers=given))
        yield given
        return
    with running_kafka() as address:
        create_topics(KafkaSettings(bootstrap_servers=address))
        yield address


@pytest.fixture(scope="session")
def elasticsearch_url() -> Iterator[str]:
    """Give the URL of a real Elasticsearch with the contract's templates (ELASTICSEARCH_URL)."""
    given = os.environ.get("ELASTICSEARCH_URL")
    if given:
        put_templates(ElasticsearchSettings(url=given))
        yield given
        return
    with running_elasticsearch() as url:
        put_templates(ElasticsearchSettings(url=url))
        yield url
