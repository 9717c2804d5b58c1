"""A topic that is deleted and created again under the stream: loud, with the way out named."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient
from support.eventually import eventually
from support.stream import StreamProcess

from cryptostream.contracts.settings import KafkaSettings
from cryptostream.stream.topic_ids import (
    NAME,
    RECOVERY,
    TopicsChangedError,
    check_topics,
    recovery,
)

if TYPE_CHECKING:
    from pathlib import Path


def recreate(stream: StreamProcess) -> None:
    """Delete the stream's topic and create it again, empty."""
    admin = AdminClient(KafkaSettings(bootstrap_servers=stream.bootstrap).client_options())
    admin.delete_topics([stream.topic])[stream.topic].result(30)
    eventually(lambda: stream.topic not in admin.list_topics(timeout=10).topics, within=30)
    stream.create_topic()


def test_a_recreated_topic_is_known_by_its_id(kafka_bootstrap: str, tmp_path: Path) -> None:
    """The same topic passes however often; a new one under the old name does not."""
    stream = StreamProcess(kafka_bootstrap, "", tmp_path)  # never started, only its topic
    stream.create_topic()
    folder = tmp_path / "checkpoint"

    def is_known() -> bool:
        check_topics(stream.bootstrap, stream.topic, folder)
        return (folder / NAME).exists()

    eventually(is_known, within=30)  # a broker lists a new topic a moment after it made it
    assert is_known()
    recreate(stream)
    with pytest.raises(TopicsChangedError, match=f"{stream.topic} was deleted and created again"):
        eventually(lambda: check_topics(stream.bootstrap, stream.topic, folder), within=30)
    check_topics(stream.bootstrap, stream.topic, tmp_path / "new")


def test_data_loss_names_its_recovery() -> None:
    """Spark's words for lost data are known; another failure needs a restart alone."""
    loss = "[KAFKA_DATA_LOSS.PARTITION_OFFSET_CHANGED] Partition x-0 offset was changed"
    assert recovery(loss) == RECOVERY
    assert recovery("SinkUnavailableError: 3 documents were not taken in time") == ""
