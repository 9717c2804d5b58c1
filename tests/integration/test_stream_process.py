"""The stream as a process, between a real Kafka and a real Elasticsearch."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from elasticsearch import Elasticsearch
from elasticsearch.helpers import scan
from support.eventually import eventually
from support.stream import StreamEndedError, StreamProcess, running_stream
from support.stream_truth import (
    START,
    check_candles,
    documents,
    expected_features,
    ids,
    make_trades,
)

from cryptostream.contracts.messages import DeadLetter, Gap, decode, encode
from cryptostream.contracts.topics import DEAD_LETTERS, GAPS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from cryptostream.contracts.trade import Trade


@pytest.fixture
def stream(kafka_bootstrap: str, elasticsearch_url: str, tmp_path: Path) -> Iterator[StreamProcess]:
    """Give a running stream over a topic of its own."""
    with running_stream(kafka_bootstrap, elasticsearch_url, tmp_path) as process:
        yield process


@pytest.fixture
def client(elasticsearch_url: str) -> Elasticsearch:
    """Give a client of the session's Elasticsearch."""
    return Elasticsearch(elasticsearch_url)


def test_every_trade_is_one_document_and_every_candle_is_true(
    stream: StreamProcess, client: Elasticsearch
) -> None:
    """Repeated trades count once: in documents, in features and in all candles."""
    trades = make_trades(stream.exchange, 2_000)
    stream.produce([trade for trade in trades for _ in range(1 + (trade.seq % 5 == 0))])
    eventually(stream.drained, within=120, poll=0.5)
    found = documents(client, "trades", stream.exchange)
    assert found.keys() == ids(trades)
    assert {i: d["features"] for i, d in found.items()} == expected_features(trades)
    assert {d["prediction"]["reason"] for d in found.values()} <= {
        "predictor_unavailable",
        "circuit_open",
    }
    check_candles(client, trades)
    rolling = documents(client, "rolling", stream.exchange).values()
    assert {one["window"] for one in rolling} == {"5m", "1h", "24h"}


def test_a_killed_stream_loses_and_doubles_nothing(
    stream: StreamProcess, client: Elasticsearch
) -> None:
    """After kill -9 at a random moment documents are complete, their features and candles too."""
    trades = make_trades(stream.exchange, 3_000)
    stream.produce(trades[:1_000])
    eventually(lambda: stream.lag() < 1_000, within=120, poll=0.05)
    stream.produce(trades[1_000:2_000])
    assert stream.stop(signal.SIGKILL) != 0
    stream.produce(trades[2_000:])
    stream.start()
    eventually(stream.drained, within=120, poll=0.5)
    found = documents(client, "trades", stream.exchange)
    assert found.keys() == ids(trades)
    assert {i: d["features"] for i, d in found.items()} == expected_features(trades)
    check_candles(client, trades)


def test_a_late_trade_corrects_its_candles(stream: StreamProcess, client: Elasticsearch) -> None:
    """A trade for a final candle is a document, and its candle counts it and says so."""
    trades = make_trades(stream.exchange, 200)
    stream.produce(trades)
    eventually(stream.drained, within=120, poll=0.5)
    first = next(trade for trade in trades if trade.symbol == trades[-1].symbol)
    late = msgspec.structs.replace(first, trade_id="late", price="9999", seq=first.seq)
    stream.produce([late])
    start = late.trade_time // 1_000 * 1_000
    identity = f"{stream.exchange}:spot:{late.symbol}:1s:{start}"

    def corrected() -> bool:
        candle = documents(client, "candles", stream.exchange)[identity]
        return bool(candle["high"] == 9999.0 and candle["late"] == 1 and candle["final"])

    eventually(corrected, within=60)
    assert documents(client, "trades", stream.exchange).keys() == ids([*trades, late])


def test_a_checkpoint_of_another_shape_is_refused(
    kafka_bootstrap: str, elasticsearch_url: str, tmp_path: Path
) -> None:
    """The process ends with status 2 and one line that names the setting and the remedy."""
    process = StreamProcess(kafka_bootstrap, elasticsearch_url, tmp_path)
    (tmp_path / "checkpoint" / "v1").mkdir(parents=True)
    with pytest.raises(StreamEndedError, match=r"STREAM_CHECKPOINT.*name an empty folder"):
        process.start()
    assert process.process is not None
    assert process.process.wait(30) == 2


def test_unusable_records_become_dead_letters(stream: StreamProcess, client: Elasticsearch) -> None:
    """Each broken record gives one dead letter that names its place; the good ones go on."""
    (good,) = make_trades(stream.exchange, 1)
    broken = _broken(good)
    stream.produce([good], raw=broken.values())
    eventually(stream.drained, within=120, poll=0.5)
    every = _dead_letters(stream.bootstrap)
    letters = [letter for letter in every if letter.source.startswith(stream.topic)]
    assert sorted(letter.reason for letter in letters) == sorted(
        reason.split("/")[0] for reason in broken
    )
    payloads = {letter.raw() for letter in letters}
    assert payloads == {value or b"" for value in broken.values()}
    assert documents(client, "trades", stream.exchange).keys() == ids([good])


def test_a_gap_is_a_document_that_its_last_state_overwrites(
    stream: StreamProcess, client: Elasticsearch
) -> None:
    """A gap told as open and then as covered is one document; garbage between stops nothing."""
    gap = _gap(stream.exchange)
    _tell(stream.bootstrap, encode(gap), b"{no gap}")
    eventually(lambda: _gap_states(client, stream.exchange) == {gap.gap_id: "open"}, within=60)
    covered = msgspec.structs.replace(gap, state="covered", recorded_time=START + 9_000)
    _tell(stream.bootstrap, encode(covered))
    eventually(lambda: _gap_states(client, stream.exchange) == {gap.gap_id: "covered"}, within=60)


def test_dead_letters_are_documents(stream: StreamProcess, client: Elasticsearch) -> None:
    """A record that no trade can be read from is found in Elasticsearch, with its place."""
    stream.produce([], raw=[b"{no trade}"])

    def sources() -> list[str]:
        client.indices.refresh(index="crypto-dead-letters-*")
        query = {"query": {"prefix": {"source": stream.topic}}}
        found = scan(client, index="crypto-dead-letters-*", query=query)
        return [hit["_source"]["source"] for hit in found]

    eventually(lambda: sources() == [f"{stream.topic}/0@0"], within=90)


def test_a_stop_is_clean(stream: StreamProcess) -> None:
    """SIGTERM ends the stream with status 0 and nothing left undone."""
    stream.produce(make_trades(stream.exchange, 500))
    eventually(stream.drained, within=120, poll=0.5)
    assert stream.stop(signal.SIGTERM) == 0, stream.log


def _gap(exchange: str) -> Gap:
    return Gap(
        gap_id=f"{exchange}:spot:AUSDT:static-0/1:{START}:silence",
        exchange=exchange,
        category="spot",
        symbol="AUSDT",
        from_time=START,
        to_time=START + 5_000,
        cause="silence",
        state="open",
        shard="0/1",
        recorded_time=START + 5_000,
        repaired_from=START + 5_000,
    )


def _tell(bootstrap: str, *values: bytes) -> None:
    producer = Producer({"bootstrap.servers": bootstrap})
    for value in values:
        producer.produce(GAPS, value)
    assert producer.flush(30) == 0


def _gap_states(client: Elasticsearch, exchange: str) -> dict[str, str]:
    return {i: gap["state"] for i, gap in documents(client, "gaps", exchange).items()}


def _broken(good: Trade) -> dict[str, bytes | None]:
    """Give records that no trade can be read from, by the stream's reason (and a variant)."""
    fields = msgspec.to_builtins(good)

    def changed(**values: Any) -> bytes:
        return msgspec.json.encode({**fields, **values})

    def without(name: str) -> bytes:
        return msgspec.json.encode({key: value for key, value in fields.items() if key != name})

    return {
        "empty": None,
        "bad_trade": b'{"symbol":',
        "bad_trade/bytes": b"\xff\xfe",
        "bad_trade/list": b"[]",
        "bad_version": changed(v=2),
        "bad_exchange": changed(exchange='a"b'),
        "bad_trade/no symbol": without("symbol"),
        "bad_trade_id": changed(trade_id="a b"),
        "bad_price/negative": changed(price="-1"),
        "bad_price/nan": changed(price="NaN"),
        "bad_price/huge": changed(price="9" * 41),
        "bad_trade/price": changed(price=None),
        "bad_size/zero": changed(size="0"),
        "bad_size/exponent": changed(size="1e400"),
        "bad_trade/side": changed(side="Buy"),
        "bad_trade_time/seconds": changed(trade_time=1_795_000_000),
        "bad_trade/no time": without("exchange_time"),
        "bad_trade/time": changed(ingest_time="now"),
        "bad_seq": changed(seq=-1),
        "bad_trade/block": changed(block_trade=None),
        "bad_trade/origin": changed(origin="guess"),
    }


def _dead_letters(bootstrap: str) -> list[DeadLetter]:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "tests", "enable.auto.commit": False}
    )
    # Others may have deleted the oldest ones: reading begins with what is left.
    first, end = consumer.get_watermark_offsets(TopicPartition(DEAD_LETTERS, 0), timeout=10)
    consumer.assign([TopicPartition(DEAD_LETTERS, 0, first)])
    letters: list[DeadLetter] = []

    def all_read() -> bool:
        got = consumer.consume(100, 1.0)
        letters.extend(decode(message.value() or b"", DeadLetter) for message in got)
        return len(letters) >= end - first

    eventually(all_read, within=30)
    consumer.close()
    return letters
