"""Lag in records and seconds, the probe's bounds, and a Kafka that is away."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from elastic_transport import ConnectionError as TransportError
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY
from support.servers import free_ports
from support.trades import TIME_MS, a_record

from cryptostream.stream.outbox import KafkaUnavailableError, Outbox
from cryptostream.stream.probe import Probe
from cryptostream.stream.progress import end_offsets
from cryptostream.stream.settled import Document, Settled, behind

if TYPE_CHECKING:
    from collections.abc import Iterator

A, B = ("bybit-trades", 0), ("bybit-trades", 1)


def test_the_newest_time_of_each_partition_is_kept() -> None:
    """Batches without trades, or with older ones, take nothing back."""
    settled = Settled()
    settled.note([a_record(kafka_time=20), a_record(kafka_time=10)._replace(partition=1)], 50)
    settled.note([a_record(kafka_time=15)], 60)
    settled.note([], 70)
    assert settled.newest == {A: 20, B: 10}
    document = settled.document
    assert document is not None
    assert (document.index_name, document.settled_time) == ("crypto-trades-2026.11.22", 60)


def test_the_worst_partition_that_has_more_to_read_is_the_lag() -> None:
    """A partition that is read to its end is not behind, however old its last record is."""
    ends, newest = {A: 100, B: 50}, {A: 1_000, B: 9_000}
    assert behind(ends, {A: 100, B: 50}, newest, 10_000) == (0, 0.0)
    assert behind(ends, {A: 100, B: 57}, newest, 10_000) == (7, 1.0)
    assert behind(ends, {A: 101, B: 57}, newest, 10_000) == (7, 9.0)
    assert behind(ends, {A: 103}, {}, 10_000) == (3, 0.0)


@given(st.dictionaries(st.sampled_from([A, B]), st.integers(0, 99)), st.integers(0, 99))
def test_lag_is_never_negative(highs: dict[tuple[str, int], int], end: int) -> None:
    """A recreated topic whose end lies before ours is no negative lag."""
    records, seconds = behind({A: end, B: end}, highs, {A: 5, B: 5}, 10)
    assert records >= 0
    assert seconds >= 0.0


def test_end_offsets_of_all_sources_are_read() -> None:
    """Spark writes partitions as text, and null before the first batch."""
    progress = {"sources": [{"endOffset": {"bybit-trades": {"0": 7, "1": 9}}}, {"endOffset": None}]}
    assert end_offsets(progress) == {A: 7, B: 9}


class Search:
    """An Elasticsearch that gives prepared answers to a count."""

    def __init__(self, *answers: int | Exception) -> None:
        self._answers: Iterator[int | Exception] = iter(answers)
        self.asked: list[Any] = []

    def count(self, **asked: Any) -> dict[str, int]:
        """Give the next answer."""
        self.asked.append(asked)
        answer = next(self._answers)
        if isinstance(answer, Exception):
            raise answer
        return {"count": answer}


class Clock:
    """A clock that goes on by 100 ms at each look."""

    def __init__(self) -> None:
        self.now = TIME_MS

    def __call__(self) -> int:
        """Give the time, epoch milliseconds."""
        self.now += 100
        return self.now


def probes(result: str) -> float:
    """Read the counter of probes."""
    value = REGISTRY.get_sample_value("cryptostream_stream_probes_total", {"result": result})
    return value or 0.0


def observed(hop: str) -> float:
    """Read the sum of a hop's seconds."""
    value = REGISTRY.get_sample_value("cryptostream_stream_hop_seconds_sum", {"hop": hop})
    return value or 0.0


DOCUMENT = Document("crypto-trades-2026.11.22", "bybit:spot:BTCUSDT:7", TIME_MS - 400, TIME_MS)


def test_a_probe_measures_until_a_search_finds_the_document() -> None:
    """The third search finds it: 300 ms after its settlement, by that search's start."""
    search, before, total = Search(0, 0, 1), probes("found"), observed("settled_searchable")
    whole = observed("exchange_searchable")
    Probe(search, Settled(), clock_ms=Clock()).search(DOCUMENT, Event())  # type: ignore[arg-type]
    assert len(search.asked) == 3
    assert search.asked[0] == {
        "index": DOCUMENT.index_name,
        "query": {"ids": {"values": [DOCUMENT.identity]}},
    }
    assert probes("found") == before + 1
    assert observed("settled_searchable") - total == pytest.approx(0.3)
    assert observed("exchange_searchable") - whole == pytest.approx(0.7)


def test_a_probe_gives_up() -> None:
    """A document that never shows up is counted as missed, once."""
    search, before = Search(*[0] * 50), probes("missed")
    probe = Probe(search, Settled(), clock_ms=Clock(), give_up_seconds=0.5)  # type: ignore[arg-type]
    probe.search(DOCUMENT, Event())
    assert probes("missed") == before + 1
    assert len(search.asked) == 6


def test_a_probe_survives_an_elasticsearch_that_is_away() -> None:
    """An error says nothing about refreshes: it is counted and the probe goes on to the next."""
    before = probes("failed")
    search = Search(TransportError("refused"))
    Probe(search, Settled()).search(DOCUMENT, Event())  # type: ignore[arg-type]
    assert probes("failed") == before + 1


def test_messages_that_kafka_does_not_take_raise() -> None:
    """Without a broker the call ends in time with a transient error, also when called again."""
    (port,) = free_ports(1)
    outbox = Outbox(f"127.0.0.1:{port}", "nowhere", within=0.5)
    for _ in range(2):
        with pytest.raises(KafkaUnavailableError, match="did not take 1 messages for nowhere"):
            outbox.send([(b"key", b"value")])
    assert outbox.send([]) == 0
