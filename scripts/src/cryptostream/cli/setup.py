"""Preparing the servers: Kafka's topics, Elasticsearch's index templates, Kibana's dashboards.

Idempotent. As a program: `python -m cryptostream.cli.setup topics|templates|kibana`.
"""

from __future__ import annotations

import sys
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from elasticsearch import ApiError, Elasticsearch, TransportError

from cryptostream.cli.errors import USAGE_STATUS, CliError
from cryptostream.cli.kibana import KibanaSettings, put_dashboards
from cryptostream.cli.patience import SetupSettings, patiently
from cryptostream.contracts.errors import CryptostreamError
from cryptostream.contracts.indices import index_templates
from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings, load_settings
from cryptostream.contracts.topics import TOPICS

_ANSWER_SECONDS: Final = 30


def create_topics(settings: KafkaSettings) -> list[str]:
    """Create the topics that don't exist yet and give their names; raises `CliError`."""
    admin = AdminClient({**settings.client_options(), "log_level": 0})
    wanted = [
        NewTopic(topic.name, num_partitions=topic.partitions, config=topic.config)
        for topic in TOPICS
    ]
    answers = admin.create_topics(wanted, operation_timeout=_ANSWER_SECONDS)
    return [name for name, answer in answers.items() if _created(name, answer)]


def _created(name: str, answer: Any) -> bool:
    try:
        answer.result(timeout=_ANSWER_SECONDS)
    except KafkaException as error:
        if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return False
        raise CliError(f"Kafka did not create the topic {name}: {error}", "Look at its log.") from (
            error
        )
    except TimeoutError as error:
        raise CliError(
            f"Kafka did not answer within {_ANSWER_SECONDS} s",
            "Start it, or correct KAFKA_BOOTSTRAP_SERVERS.",
        ) from error
    return True


def client(settings: ElasticsearchSettings) -> Elasticsearch:
    """Connect to Elasticsearch as the settings say; nothing is sent yet."""
    return Elasticsearch(
        **settings.client_options(), request_timeout=_ANSWER_SECONDS, max_retries=3
    )


def client_of(url: str) -> Elasticsearch:
    """Connect to the Elasticsearch at a URL, with the user and CA file of the environment."""
    return client(ElasticsearchSettings(url=url))


def put_templates(settings: ElasticsearchSettings, *, replicas: int = 0) -> list[str]:
    """Put every index template and give their names; raises `CliError`."""
    templates = index_templates(replicas=replicas)
    try:
        with client(settings) as connected:
            for name, body in templates.items():
                connected.indices.put_index_template(name=name, **body)
    except (ApiError, TransportError) as error:
        raise CliError(
            f"Elasticsearch at {settings.url} did not take the index templates: {error}",
            "Look at its log.",
        ) from error
    return sorted(templates)


def main(arguments: list[str]) -> int:
    """Prepare one of the servers; give the exit status."""
    try:
        how = load_settings(SetupSettings)
        if arguments == ["topics"]:
            kafka = load_settings(KafkaSettings)
            done = patiently(lambda: create_topics(kafka), how.wait_seconds)
        elif arguments == ["templates"]:
            search = load_settings(ElasticsearchSettings)
            done = patiently(
                lambda: put_templates(search, replicas=how.index_replicas), how.wait_seconds
            )
        elif arguments == ["kibana"]:
            done = put_dashboards(load_settings(KibanaSettings))
        else:
            raise CliError(
                f"Unknown arguments {arguments}", "Say `topics`, `templates` or `kibana`."
            )
    except CryptostreamError as error:
        print(error, file=sys.stderr)  # noqa: T201 - this is its output
        return USAGE_STATUS
    print(f"{arguments[0]}: {', '.join(done) or 'all there'}")  # noqa: T201 - this is its output
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
