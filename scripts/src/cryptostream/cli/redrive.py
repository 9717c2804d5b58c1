"""`cryptostream redrive`: brings dead letters of trades topics back to where they came from.

For after a fix: a record that today's contract can read is produced to its topic again, and one
that it still refuses stays where it is, since it would only come back as the next dead letter.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import Counter
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final
from uuid import uuid4

import typer
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition

from cryptostream.cli import state
from cryptostream.cli.console import Console
from cryptostream.cli.coverage_kafka import kafka_address
from cryptostream.cli.errors import CliError
from cryptostream.cli.paths import default_state_dir
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import DeadLetter, decode
from cryptostream.contracts.settings import kafka_options
from cryptostream.contracts.topics import DEAD_LETTERS, TRADES_PATTERN
from cryptostream.contracts.trade import decode_trade

if TYPE_CHECKING:
    from collections.abc import Iterator

#: A run redrives at most so many; the rest is for the next run.
DEFAULT_LIMIT: Final = 100_000
#: Kafka must answer, give something to read and take what is produced within this time.
KAFKA_SECONDS: Final = 30.0
_ASK_SECONDS: Final = 5.0
_AGAIN_SECONDS: Final = 0.5
_BATCH: Final = 500
#: What the stream writes as the source of a record that it could not read.
_PLACE: Final = re.compile(rf"({TRADES_PATTERN})/[0-9]+@[0-9]+")

Reason = Annotated[str, typer.Option(help="Only letters of this reason, such as bad_price.")]
Since = Annotated[str, typer.Option(help="Only later ones, such as 2026-11-22T00:00, UTC.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; send nothing.")]
Limit = Annotated[int, typer.Option(min=1, max=10_000_000, help="Redrive at most so many.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on standard output.")]


@dataclass(frozen=True, slots=True)
class Record:
    """A record to be produced again."""

    topic: str
    key: bytes
    value: bytes


@dataclass(slots=True)
class Redrive:
    """Judges letters one by one; a record is redriven once, however often it was told of.

    `counts` holds what became of the letters:

        redriven      produced to its topic again
        told_again    the same record as an earlier letter of this run
        still_bad     today's contract refuses it, too
        truncated     the letter holds a part of the payload only
        elsewhere     not from a trades topic: a frame of ingest, a document of a bulk
        other_reason  left out by `--reason`
        unreadable    no letter at all
    """

    reason: str = ""
    counts: Counter[str] = field(default_factory=Counter)
    _known: set[str] = field(default_factory=set)

    def judge(self, raw: bytes) -> Record | None:
        """Give the record that a letter brings back, or None, and count which it was."""
        outcome, record = self._judge(raw)
        self.counts[outcome] += 1
        return record

    def _judge(self, raw: bytes) -> tuple[str, Record | None]:
        try:
            letter = decode(raw, DeadLetter)
        except ContractError:
            return "unreadable", None
        place = _PLACE.fullmatch(letter.source)
        if place is None:
            return "elsewhere", None
        if self.reason and letter.reason != self.reason:
            return "other_reason", None
        if letter.truncated or letter.source in self._known:
            return "truncated" if letter.truncated else "told_again", None
        try:
            payload = letter.raw()
            trade = decode_trade(payload)
        except ValueError:
            return "still_bad", None
        self._known.add(letter.source)
        return "redriven", Record(place[1], trade.symbol.encode(), payload)


class Letters:
    """The letters that the topic holds now; what is written to it meanwhile is left alone."""

    def __init__(self, bootstrap: str, *, since_ms: int = 0) -> None:
        self._consumer = Consumer(
            {
                **kafka_options(bootstrap),
                "group.id": f"redrive-{uuid4().hex}",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._since_ms = since_ms

    def read(self) -> Iterator[bytes]:
        """Give the letters in order; raises `CliError` if Kafka can't be read in time."""
        try:
            yield from self._read()
        except KafkaException as error:
            raise CliError(
                f"Kafka can't be read: {error}", "Start it, or correct KAFKA_BOOTSTRAP_SERVERS."
            ) from error

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _read(self) -> Iterator[bytes]:
        places = self._places()
        waiting = {start.partition: end for start, end in places if start.offset < end}
        self._consumer.assign([start for start, _ in places if start.partition in waiting])
        deadline = time.monotonic() + KAFKA_SECONDS
        while waiting:
            for message in self._consumer.consume(_BATCH, 1.0):
                if message.error() is not None:
                    raise KafkaException(message.error())
                deadline = time.monotonic() + KAFKA_SECONDS
                partition, offset = message.partition() or 0, message.offset() or 0
                if offset < waiting.get(partition, 0):
                    yield message.value() or b""
                if offset + 1 >= waiting.get(partition, offset + 2):
                    del waiting[partition]
            if time.monotonic() > deadline:
                raise CliError(
                    f"Kafka gave nothing of {DEAD_LETTERS} for {KAFKA_SECONDS:.0f} s",
                    "Look at its log, then run this again.",
                )

    def _places(self) -> list[tuple[TopicPartition, int]]:
        """Give where to start in each partition, and its end as of now.

        Asked again while a partition has no leader: a broker may just be starting.
        """
        deadline = time.monotonic() + KAFKA_SECONDS
        while True:
            try:
                known = self._consumer.list_topics(DEAD_LETTERS, timeout=_ASK_SECONDS)
                return [self._place(number) for number in known.topics[DEAD_LETTERS].partitions]
            except KafkaException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(_AGAIN_SECONDS)

    def _place(self, number: int) -> tuple[TopicPartition, int]:
        place = TopicPartition(DEAD_LETTERS, number, self._since_ms)
        start, high = self._consumer.get_watermark_offsets(place, timeout=_ASK_SECONDS)
        if self._since_ms:
            (found,) = self._consumer.offsets_for_times([place], timeout=_ASK_SECONDS)
            start = found.offset if found.offset >= 0 else high
        return TopicPartition(DEAD_LETTERS, number, start), high


class Outgoing:
    """Produces records and waits for Kafka's word; in a dry run it takes them and does nothing."""

    def __init__(self, bootstrap: str, *, dry_run: bool) -> None:
        options = {**kafka_options(bootstrap), "enable.idempotence": True, "log_level": 0}
        options["delivery.timeout.ms"] = int(KAFKA_SECONDS * 1_000)
        self._producer = None if dry_run else Producer(options)
        self._failed = 0

    def put(self, record: Record) -> None:
        """Produce a record; a full queue makes the caller wait."""
        if self._producer is None:
            return
        try:
            self._produce(self._producer, record)
        except BufferError:
            self.settle()
            self._produce(self._producer, record)

    def settle(self) -> None:
        """Wait until Kafka has acknowledged all; raises `CliError` if it doesn't."""
        if self._producer is None:
            return
        left = self._producer.flush(KAFKA_SECONDS + 1)
        if left or self._failed:
            raise CliError(
                f"Kafka did not take {left + self._failed} records",
                "Run this again: what was taken already is one document all the same.",
            )

    def _produce(self, producer: Producer, record: Record) -> None:
        producer.produce(record.topic, record.value, key=record.key, on_delivery=self._delivered)
        producer.poll(0)

    def _delivered(self, error: object, _message: object) -> None:
        self._failed += error is not None


def run(
    bootstrap: str, *, reason: str = "", since_ms: int = 0, limit: int, dry_run: bool
) -> Counter[str]:
    """Redrive what the dead-letter topic holds now; give the counts of `Redrive`.

    Letters beyond the limit are not looked at. Raises `CliError`.
    """
    judged, outgoing = Redrive(reason), Outgoing(bootstrap, dry_run=dry_run)
    with closing(Letters(bootstrap, since_ms=since_ms)) as letters:
        for raw in letters.read():
            record = judged.judge(raw)
            if record is not None:
                outgoing.put(record)
            if judged.counts["redriven"] >= limit:
                break
    outgoing.settle()
    return judged.counts


def redrive(
    *,
    reason: Reason = "",
    since: Since = "",
    dry_run: DryRun = False,
    limit: Limit = DEFAULT_LIMIT,
    as_json: Json = False,
) -> None:
    """Bring dead letters of the trades topics back to them, after a fix."""
    bootstrap = kafka_address(state.read(default_state_dir()) or {})
    counts = run(
        bootstrap, reason=reason, since_ms=milliseconds(since), limit=limit, dry_run=dry_run
    )
    if as_json:
        sys.stdout.write(json.dumps({"dry_run": dry_run, **counts}) + "\n")
        return
    console = Console()
    console.show(f"{'would redrive' if dry_run else 'redriven'}: {counts.pop('redriven', 0)}")
    for name, count in sorted(counts.items()):
        console.show(f"left alone, {name.replace('_', ' ')}: {count}")


def milliseconds(since: str) -> int:
    """Read a moment, UTC unless it says otherwise; 0 for none. Raises `CliError`."""
    if not since:
        return 0
    try:
        moment = datetime.fromisoformat(since)
    except ValueError as error:
        raise CliError(f"--since {since}: {error}", "Write 2026-11-22T00:00.") from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1_000)
