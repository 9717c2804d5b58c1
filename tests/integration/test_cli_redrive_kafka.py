"""Redriving between real topics."""

from __future__ import annotations

import time
from uuid import uuid4

from confluent_kafka import Producer
from support.kafka_topics import TopicReader, empty_topic, topic_named
from support.trades import a_trade

from cryptostream.cli.redrive import run
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import dead_letter, encode
from cryptostream.contracts.topics import DEAD_LETTERS
from cryptostream.contracts.trade import encode_trade


def tell(bootstrap: str, topic: str, payloads: list[bytes]) -> None:
    """Write dead letters of a topic, as the stream does."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for number, payload in enumerate(payloads):
        letter = dead_letter(
            payload,
            source=f"{topic}/0@{number}",
            component="stream",
            error=ContractError("bad_price", "it was"),
            now_ms=1,
        )
        producer.produce(DEAD_LETTERS, encode(letter))
    assert producer.flush(30) == 0


def test_readable_letters_go_back_to_their_topic(kafka_bootstrap: str) -> None:
    """A dry run sends nothing; a run sends each record once, up to the limit, and says so."""
    TopicReader(kafka_bootstrap, DEAD_LETTERS).close()  # waits until it has leaders
    empty_topic(kafka_bootstrap, DEAD_LETTERS)
    topic = topic_named(kafka_bootstrap, f"x{uuid4().hex[:8]}-trades")
    trades = [encode_trade(a_trade(trade_id=str(number))) for number in range(5)]
    tell(kafka_bootstrap, topic, [*trades, b"{no trade}"])
    tell(kafka_bootstrap, topic, trades)
    reader = TopicReader(kafka_bootstrap, topic)
    counts = {"redriven": 5, "still_bad": 1, "told_again": 5}
    assert run(kafka_bootstrap, limit=100, dry_run=True) == counts
    assert reader.read() == []
    assert run(kafka_bootstrap, limit=3, dry_run=False) == {"redriven": 3}
    assert [one.value() for one in reader.read(1.0)] == trades[:3]
    assert run(kafka_bootstrap, limit=100, dry_run=False) == counts
    assert [one.value() for one in reader.read(1.0)][3:] == trades
    assert {one.key() for one in reader.messages} == {b"BTCUSDT"}
    reader.close()


def test_letters_before_a_moment_are_left_alone(kafka_bootstrap: str) -> None:
    """`--since` in the future reads nothing and ends at once."""
    soon = time.time_ns() // 1_000_000 + 3_600_000
    assert run(kafka_bootstrap, since_ms=soon, limit=1, dry_run=False) == {}
