"""Alerts into a real topic."""

from __future__ import annotations

from support.kafka_topics import TopicReader, new_topic
from support.tape import play, tape, trade

from cryptostream.contracts.messages import Alert, decode
from cryptostream.stream.alerts import AlertSink
from cryptostream.stream.rules import load_rules
from cryptostream.stream.watch import Watch


def test_alerts_are_acknowledged_and_keyed_by_symbol(kafka_bootstrap: str) -> None:
    """What the watch found is in the topic when the call returns; a replay gives the same ids."""
    quiet = tape("AUSDT", rate=5, seconds=1_200)
    jump = trade("AUSDT", 1_200, quiet[-1].price * 1.03, 1.0)
    alerts = play(Watch(load_rules()), [*quiet, jump])
    assert [one.rule for one in alerts] == ["price_shock"]
    topic = new_topic(kafka_bootstrap)
    reader, sink = TopicReader(kafka_bootstrap, topic), AlertSink(kafka_bootstrap, topic=topic)
    sink.send(alerts)
    sink.send([])
    sink.send(alerts)
    messages = reader.read(2.0)
    assert [decode(one.value() or b"", Alert) for one in messages] == alerts * 2
    assert {one.key() for one in messages} == {b"AUSDT"}
    reader.close()
