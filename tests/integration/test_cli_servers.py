"""The launchers start real servers."""

from __future__ import annotations

import json
import urllib.request

from confluent_kafka.admin import AdminClient

from cryptostream.cli.setup import create_topics, put_templates
from cryptostream.contracts.indices import index_templates
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings
from cryptostream.contracts.topics import TOPICS


def test_topics_are_created_once(kafka_bootstrap: str) -> None:
    """The contract's topics exist with their partitions, and creating them again is harmless."""
    assert create_topics(KafkaSettings(bootstrap_servers=kafka_bootstrap)) == []
    known = AdminClient({"bootstrap.servers": kafka_bootstrap}).list_topics(timeout=10).topics
    for topic in TOPICS:
        assert len(known[topic.name].partitions) == topic.partitions


def test_templates_are_put_again(elasticsearch_url: str) -> None:
    """Elasticsearch holds every template of the contract, and takes them a second time."""
    assert put_templates(ElasticsearchSettings(url=elasticsearch_url)) == sorted(index_templates())
    with urllib.request.urlopen(f"{elasticsearch_url}/_index_template/crypto-*", timeout=10) as got:
        names = {item["name"] for item in json.load(got)["index_templates"]}
    assert names == set(index_templates())


def test_elasticsearch_is_reached_by_this_machine_alone(elasticsearch_url: str) -> None:
    """Without security the node must listen on loopback only."""
    with urllib.request.urlopen(f"{elasticsearch_url}/_nodes/http,transport", timeout=10) as got:
        (node,) = json.load(got)["nodes"].values()
    bound = [*node["http"]["bound_address"], *node["transport"]["bound_address"]]
    assert all(address.startswith("127.0.0.1:") for address in bound)
