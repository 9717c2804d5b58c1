"""What the other instances receive, as each of them tells on the topic of coverage.

A plain consumer, in no group: every instance reads every partition, from its beginning on. The
topic keeps an hour, so that a lone instance that starts again knows what it had received.
`Reports` is what the reports mean and does no I/O; `Peers` reads them.
"""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Final

from confluent_kafka import (
    OFFSET_BEGINNING,
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    TopicPartition,
)

from cryptostream.contracts.errors import ContractError, Failure
from cryptostream.contracts.messages import Coverage, decode
from cryptostream.contracts.settings import kafka_options
from cryptostream.contracts.topics import COVERAGE
from cryptostream.ingest.errors import classify

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

#: A report says nothing about now any more after this; they come every few seconds.
STALE_MS: Final = 30_000
#: More instances than any sensible deployment has, and a bound for what strangers may tell.
MAX_INSTANCES: Final = 1_000
MAX_SYMBOLS: Final = 20_000
BATCH_MESSAGES: Final = 500
POLL_SECONDS: Final = 1.0
#: Between two polls: a report each few seconds needs no thread that waits for it.
PAUSE_SECONDS: Final = 0.5
REQUEST_SECONDS: Final = 5.0
#: An hour of reports, some 30 MB for 430 symbols, shall not all wait in memory.
PREFETCH_KIB: Final = 4_096
RETRY_SECONDS: Final = 2.0

log = logging.getLogger(__name__)


class Reports:
    """The newest report of each instance of one market, and when each symbol was last told of.

    All times are epoch milliseconds, UTC, and the instances' clocks are taken to be in step to
    a few seconds; a report from further ahead than `STALE_MS` is as useless as a stale one.

    Args:
        me: our name.
        exchange: of the reports that count, such as `bybit`.
        category: likewise, such as `spot`.
        wall_ms: the time of day.
    """

    def __init__(self, me: str, exchange: str, category: str, wall_ms: Callable[[], int]) -> None:
        self._me = me
        self._market = exchange, category
        self._wall_ms = wall_ms
        self._newest: dict[str, Coverage] = {}
        self._told: dict[str, int] = {}

    def take(self, report: Coverage) -> None:
        """Take a report in; other markets' are ignored, and stale ones say what was."""
        if (report.exchange, report.category) != self._market:
            return
        self._remember(report)
        if not self._is_fresh(report):
            return
        known = self._newest.get(report.instance)
        if known is None and len(self._newest) >= MAX_INSTANCES:
            self._newest = dict(self.fresh())
            if len(self._newest) >= MAX_INSTANCES:
                return
        if known is None or known.time <= report.time:
            self._newest[report.instance] = report

    def fresh(self) -> Mapping[str, Coverage]:
        """Give instance -> newest report, ours too, without the stale ones."""
        return {name: report for name, report in self._newest.items() if self._is_fresh(report)}

    def covers(self, symbol: str, from_ms: int, to_ms: int) -> bool:
        """Say whether another instance received the symbol through all of [from_ms, to_ms]."""
        return any(
            name != self._me
            and report.time >= to_ms
            and symbol in report.since
            and report.since[symbol] <= from_ms
            for name, report in self.fresh().items()
        )

    def receives(self, symbol: str, instance: str) -> bool:
        """Say whether the instance told lately that it receives the symbol."""
        report = self._newest.get(instance)
        return report is not None and self._is_fresh(report) and symbol in report.since

    def told_until(self, symbol: str) -> int | None:
        """Give when anybody, ourselves too, last told that it received the symbol."""
        return self._told.get(symbol)

    def _remember(self, report: Coverage) -> None:
        if report.time > self._wall_ms() + STALE_MS:
            return
        for symbol in report.since:
            if symbol in self._told or len(self._told) < MAX_SYMBOLS:
                self._told[symbol] = max(report.time, self._told.get(symbol, 0))

    def _is_fresh(self, report: Coverage) -> bool:
        return abs(self._wall_ms() - report.time) <= STALE_MS


class Peers:
    """Reads the reports of all instances from Kafka.

    Args:
        bootstrap_servers: of Kafka.
        me: our name.
        wall_ms: the time of day, epoch milliseconds, UTC.
        exchange: whose instances count.
        category: likewise.
        topic: of the reports.

    Attributes:
        refused: how many messages were no reports.
        misses: how often Kafka or the topic was out of reach.
        heard: whether all that was on the topic at the start is known.
    """

    def __init__(
        self,
        bootstrap_servers: str,
        me: str,
        *,
        wall_ms: Callable[[], int],
        exchange: str = "bybit",
        category: str = "spot",
        topic: str = COVERAGE,
    ) -> None:
        self._me = me
        self._servers = bootstrap_servers
        self._wall_ms = wall_ms
        self._topic = topic
        self._reports = Reports(me, exchange, category, wall_ms)
        self.refused = 0
        self.misses = 0
        self.heard = False
        #: Partition -> where it ended at the start, as long as we have not read so far.
        self._unheard: dict[int, int] = {}

    async def run(self) -> None:
        """Read for ever.

        Raises nothing that Kafka does: without peers, trades flow on, only gaps stay open and
        moves take longer, and what truly refuses us shows at the producer.
        """
        while True:
            consumer = self._consumer()
            try:
                await self._read(consumer)
            except KafkaException as error:
                self.misses += 1
                why = error.args[0].str()
                log.warning("peers_out_of_reach", extra={"fields": {"why": why}})
            finally:
                await asyncio.to_thread(consumer.close)
            await asyncio.sleep(RETRY_SECONDS)

    def reports(self) -> Mapping[str, Coverage]:
        """Give instance -> newest report, stale ones (30 s) dropped."""
        return self._reports.fresh()

    def covers(self, symbol: str, from_ms: int, to_ms: int) -> bool:
        """Say whether another instance received the symbol through all of [from_ms, to_ms]."""
        return self._reports.covers(symbol, from_ms, to_ms)

    def receives(self, symbol: str, instance: str) -> bool:
        """Say whether the instance told lately that it receives the symbol."""
        return self._reports.receives(symbol, instance)

    def told_until(self, symbol: str) -> int | None:
        """Give when anybody last told of the symbol, epoch milliseconds, an hour back at most."""
        return self._reports.told_until(symbol)

    async def _read(self, consumer: Consumer) -> None:
        await asyncio.to_thread(self._start, consumer)
        while True:
            batch = await asyncio.to_thread(consumer.consume, BATCH_MESSAGES, POLL_SECONDS)
            for message in batch:
                self._take(message)
            self.heard = self.heard or not self._unheard
            await asyncio.sleep(0 if len(batch) == BATCH_MESSAGES else PAUSE_SECONDS)

    def _start(self, consumer: Consumer) -> None:
        """Assign all partitions; raises `KafkaException` if that can't be yet."""
        topic = consumer.list_topics(self._topic, timeout=REQUEST_SECONDS).topics[self._topic]
        if topic.error is not None or not topic.partitions:
            raise KafkaException(topic.error or KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        wanted = [TopicPartition(self._topic, n, OFFSET_BEGINNING) for n in topic.partitions]
        for part in wanted:
            low, high = consumer.get_watermark_offsets(part, timeout=REQUEST_SECONDS)
            if low < high:
                self._unheard[part.partition] = high
        consumer.assign(wanted)

    def _take(self, message: Message) -> None:
        error, value = message.error(), message.value()
        if error is not None:
            if classify(KafkaException(error)) is not Failure.TRANSIENT:
                raise KafkaException(error)
            log.warning("peers_read_failed", extra={"fields": {"why": error.str()}})
            return
        if (message.offset() or 0) + 1 >= self._unheard.get(message.partition() or 0, math.inf):
            del self._unheard[message.partition() or 0]
        try:
            self._reports.take(decode(value or b"", Coverage))
        except ContractError as refusal:
            self.refused += 1
            log.warning("bad_report", extra={"fields": {"why": refusal.detail}})

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                **kafka_options(self._servers),
                "client.id": f"cryptostream-ingest-peers-{self._me}",
                # The client insists on a name; without a subscription nobody joins a group.
                "group.id": f"cryptostream-ingest-peers-{self._me}",
                "enable.auto.commit": False,
                "allow.auto.create.topics": False,
                "auto.offset.reset": "earliest",
                "queued.max.messages.kbytes": PREFETCH_KIB,
                "reconnect.backoff.max.ms": 2_000,
            },
            logger=log,
        )
