"""Reads from Kafka what instances of ingest tell, and how far the topics of trades are."""

from __future__ import annotations

import contextlib
import os
import re
import time
from typing import TYPE_CHECKING, Any, Final, Self
from uuid import uuid4

from confluent_kafka import Consumer, KafkaException, TopicPartition

from cryptostream.cli.coverage import Picture, Told, Topic, picture, rates
from cryptostream.cli.errors import CliError
from cryptostream.cli.verify import STREAM_GROUP
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import Coverage, Gap, decode
from cryptostream.contracts.settings import KafkaSettings, kafka_options, load_settings
from cryptostream.contracts.topics import COVERAGE, GAPS, TRADES_PATTERN

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from confluent_kafka import Message

#: Where reading starts: long enough for the last report of everybody, and for a day of gaps.
COVERAGE_BACK_MS: Final = 60_000
GAPS_BACK_MS: Final = 24 * 3_600_000
_ASK_SECONDS: Final = 5.0
_BATCH: Final = 1_000
#: A look takes in what has come, but no endless flow.
_MAX_BATCHES: Final = 200


class Watch:
    """Looks at Kafka as often as it is asked to; takes part in no group.

    Raises `CliError` from the constructor and from `look` if Kafka can't be asked.
    """

    def __init__(self, bootstrap: str, wall_ms: Callable[[], int] | None = None) -> None:
        self._bootstrap = bootstrap
        self._wall_ms = wall_ms or (lambda: time.time_ns() // 1_000_000)
        self._told = Told()
        self._ends: dict[str, int] = {}
        self._looked: float | None = None
        self._reader = self._consumer(f"cryptostream-feed-{uuid4().hex}")
        self._stream = self._consumer(STREAM_GROUP)
        try:
            self._reader.assign(self._starts())
        except KafkaException as error:
            self.close()
            raise self._unreachable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker."""
        self._reader.close()
        self._stream.close()

    def look(self) -> Picture:
        """Read what has come since the last look."""
        try:
            self._read()
            topics = self._topics()
        except KafkaException as error:
            raise self._unreachable(error) from error
        now_ms = self._wall_ms()
        self._told.forget(now_ms)
        return picture(self._told, topics, now_ms)

    def _consumer(self, group: str) -> Consumer:
        return Consumer(
            {
                **kafka_options(self._bootstrap),
                "group.id": group,
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "log_level": 0,
            }
        )

    def _starts(self) -> list[TopicPartition]:
        """Find where to begin; topics that are not there have nothing to tell."""
        now_ms = self._wall_ms()
        known = self._reader.list_topics(timeout=_ASK_SECONDS).topics
        asked = [
            TopicPartition(name, number, now_ms - back_ms)
            for name, back_ms in ((COVERAGE, COVERAGE_BACK_MS), (GAPS, GAPS_BACK_MS))
            if name in known
            for number in known[name].partitions
        ]
        return self._reader.offsets_for_times(asked, timeout=_ASK_SECONDS) if asked else []

    def _read(self) -> None:
        if not self._reader.assignment():
            return
        for turn in range(_MAX_BATCHES):
            # The first fetch needs a moment; what comes in steadily is there at once.
            first = turn == 0 and self._looked is None
            batch = self._reader.consume(_BATCH, timeout=2.0 if first else 0.2)
            for message in batch:
                self._take(message)
            if not batch:
                return

    def _take(self, message: Message) -> None:
        raw = message.value()
        if message.error() is not None or raw is None:
            return
        # A message of another version is nothing to show; ingest's peers log it.
        with contextlib.suppress(ContractError):
            if message.topic() == COVERAGE:
                self._told.report(decode(raw, Coverage))
            else:
                self._told.gap(decode(raw, Gap))

    def _topics(self) -> list[Topic]:
        known = self._stream.list_topics(timeout=_ASK_SECONDS).topics
        parts = [
            TopicPartition(name, number)
            for name in sorted(known)
            if re.fullmatch(TRADES_PATTERN, name)
            for number in known[name].partitions
        ]
        ends = self._sum(parts, (self._end(part) for part in parts))
        lags = self._sum(parts, self._lags(parts))
        now = time.monotonic()
        speed = rates(self._ends, ends, now - self._looked) if self._looked is not None else {}
        self._ends, self._looked = ends, now
        return [Topic(name, end, speed.get(name), lags[name]) for name, end in ends.items()]

    def _end(self, part: TopicPartition) -> int:
        return int(self._stream.get_watermark_offsets(part, timeout=_ASK_SECONDS)[1])

    def _lags(self, parts: list[TopicPartition]) -> Iterable[int]:
        reached = self._stream.committed(parts, timeout=_ASK_SECONDS) if parts else []
        for part in reached:
            yield max(0, self._end(part) - max(0, part.offset))

    @staticmethod
    def _sum(parts: list[TopicPartition], numbers: Iterable[int]) -> dict[str, int]:
        total: dict[str, int] = {}
        for part, number in zip(parts, numbers, strict=True):
            total[part.topic] = total.get(part.topic, 0) + number
        return total

    def _unreachable(self, error: KafkaException) -> CliError:
        return CliError(
            f"Kafka at {self._bootstrap} can't be asked: {error.args[0].str()}",
            "Start it with `cryptostream up`, or set KAFKA_BOOTSTRAP_SERVERS.",
        )


def kafka_address(found: Mapping[str, Any]) -> str:
    """Give Kafka's address: the environment's, else the running stack's, else the usual one."""
    if "KAFKA_BOOTSTRAP_SERVERS" not in os.environ:
        for part in found.get("components", ()):
            if part["name"] == "kafka" and part["port"]:
                return f"127.0.0.1:{part['port']}"
    return load_settings(KafkaSettings).bootstrap_servers
