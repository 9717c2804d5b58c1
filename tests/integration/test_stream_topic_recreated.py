"""A topic that is deleted and created again under the stream: loud, with the way out named."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from confluent_kafka.admin import AdminClient
from elasticsearch import Elasticsearch
from support.eventually import eventually
from support.stream import StreamEndedError, StreamProcess
from support.trades import a_trade

from cryptostream.contracts.settings import KafkaSettings
from cryptostream.stream.topic_ids import (
    NAME,
    RECOVERY,
    TopicsChangedError,
    check_topics,
    recovery,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def stream(kafka_bootstrap: str, elasticsearch_url: str, tmp_path: Path) -> Iterator[StreamProcess]:
    """Give a stream over a topic of its own, not started yet."""
    process = StreamProcess(kafka_bootstrap, elasticsearch_url, tmp_path)
    process.create_topic()
    try:
        yield process
    finally:
        if process.process is not None and process.process.poll() is None:
            process.stop(signal.SIGKILL)


def recreate(stream: StreamProcess) -> None:
    """Delete the stream's topic and create it again, empty."""
    admin = AdminClient(KafkaSettings(bootstrap_servers=stream.bootstrap).client_options())
    admin.delete_topics([stream.topic])[stream.topic].result(30)
    eventually(lambda: stream.topic not in admin.list_topics(timeout=10).topics, within=30)
    stream.create_topic()


def produce(stream: StreamProcess, *numbers: int) -> None:
    """Write trades with these numbers as their ids."""
    stream.produce(
        [a_trade(exchange=stream.exchange, trade_id=f"{number:04d}") for number in numbers]
    )


def indexed(stream: StreamProcess) -> int:
    """Count the stream's trades in Elasticsearch."""
    client = Elasticsearch(stream.elasticsearch_url)
    client.indices.refresh(index="crypto-trades-*")
    query = {"term": {"exchange": stream.exchange}}
    return int(client.count(index="crypto-trades-*", query=query)["count"])


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


def test_a_stream_stops_and_recovers_with_a_new_checkpoint(stream: StreamProcess) -> None:
    """It fails while it runs, fails again at a restart, and goes on with an empty checkpoint."""
    stream.start()
    produce(stream, *range(50))
    eventually(stream.drained, within=120, poll=0.5)
    recreate(stream)
    produce(stream, *range(50, 60))
    assert stream.process is not None
    assert stream.process.wait(120) == 1, stream.log
    assert RECOVERY in stream.log
    with pytest.raises(StreamEndedError, match="was deleted and created again"):
        stream.start()
    stream.folder = stream.folder / "new"
    stream.folder.mkdir()
    stream.start()
    eventually(lambda: indexed(stream) == 60, within=120, poll=0.5)
    assert stream.stop(signal.SIGTERM) == 0, stream.log
