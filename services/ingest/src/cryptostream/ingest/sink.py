"""Kafka: a bounded, idempotent producer whose full queue slows its source."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from cryptostream.contracts.errors import Failure
from cryptostream.contracts.messages import Coverage, DeadLetter, Gap, encode
from cryptostream.contracts.settings import kafka_options
from cryptostream.contracts.topics import COVERAGE, DEAD_LETTERS, GAPS
from cryptostream.contracts.trade import Trade, decode_trade, encode_trade
from cryptostream.ingest.errors import DeliveryError, classify

if TYPE_CHECKING:
    from cryptostream.ingest.metrics import Metrics
    from cryptostream.ingest.observer import Observer

#: About 40 MB of trades; beyond it the reader waits.
QUEUE_MESSAGES: Final = 100_000
QUEUE_KBYTES: Final = 65_536
LINGER_MS: Final = 25
#: A dead letter of control characters grows sixfold as JSON, and shrinks again by lz4.
MESSAGE_BYTES: Final = 2 * 1024 * 1024
POLL_SECONDS: Final = 0.02
METADATA_SECONDS: Final = 2.0
RETRY_SECONDS: Final = 0.5
TOPIC_WAIT_SECONDS: Final = 60.0

_SIDE_TOPICS: Final = (DEAD_LETTERS, GAPS, COVERAGE)

Config = Mapping[str, str | int | bool]
Report = Callable[[KafkaError | None, Message | None], None]
log = logging.getLogger(__name__)


class KafkaSink:
    """Takes trades, dead letters, gaps and coverage in and sees to their delivery.

    `offer_*` never waits: it says False while the queue is full, and `room` waits until there
    is some. `run` serves the delivery reports and must run as long as messages are offered.
    The observer hears of each trade that was accepted and that Kafka refused for good.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        metrics: Metrics,
        *,
        client_id: str,
        observer: Observer | None = None,
        topic_wait: float = TOPIC_WAIT_SECONDS,
        config: Config | None = None,
    ) -> None:
        self._servers = servers
        self._topic = topic
        self._topic_wait = topic_wait
        self._metrics = metrics
        self._observer = observer
        self._fatal: Exception | None = None
        self._unsettled = 0
        self._produced = self._delivered = 0
        self._last_delivered: Message | None = None
        self._brokers_up = False
        self._room = asyncio.Event()
        options: dict[str, str | int | bool] = {
            **kafka_options(servers),
            "client.id": client_id,
            "enable.idempotence": True,
            "acks": "all",
            "compression.type": "lz4",
            "linger.ms": LINGER_MS,
            "queue.buffering.max.messages": QUEUE_MESSAGES,
            "queue.buffering.max.kbytes": QUEUE_KBYTES,
            "message.max.bytes": MESSAGE_BYTES,
            # An accepted trade is tried until it is delivered; the queue's bound is what gives.
            "message.timeout.ms": 0,
            "reconnect.backoff.max.ms": 2_000,
            # As the Java clients do it, so that any producer maps a symbol to one partition.
            "partitioner": "murmur2_random",
            **(config or {}),
        }
        self._producer = Producer({**options, "error_cb": self._on_error}, logger=log)

    @property
    def ready(self) -> bool:
        """Whether the brokers took part lately and nothing fatal happened."""
        return self._brokers_up and self._fatal is None

    def __len__(self) -> int:
        """Count the messages that were accepted and neither delivered nor refused yet."""
        # The producer's own length counts log lines and errors too.
        return self._unsettled

    async def start(self) -> None:
        """Wait until the brokers know our topics; raises `DeliveryError` if they never do."""
        missing: list[str] | None = None
        try:
            async with asyncio.timeout(self._topic_wait):
                while (missing := await asyncio.to_thread(self._missing_topics)) != []:
                    log.info("waiting_for_kafka", extra={"fields": {"missing_topics": missing}})
                    await asyncio.sleep(RETRY_SECONDS)
        except TimeoutError as error:
            lack = f"Kafka has no topic {' and '.join(missing)}" if missing else "no Kafka answers"
            raise DeliveryError(
                f"{lack} at {self._servers} after {self._topic_wait:.0f} s: check "
                "KAFKA_BOOTSTRAP_SERVERS, start Kafka, create the topics"
            ) from error
        self._brokers_up = True

    def offer_trade(self, trade: Trade) -> bool:
        """Queue a trade; False if there is no room."""
        if not self._offer(self._topic, trade.symbol, encode_trade(trade), self._on_trade):
            return False
        self._produced += 1
        return True

    def offer_dead_letter(self, letter: DeadLetter) -> bool:
        """Queue a dead letter; False if there is no room."""
        return self._offer(DEAD_LETTERS, letter.source, encode(letter), self._on_dead_letter)

    def offer_gap(self, gap: Gap) -> bool:
        """Queue what is known of a gap; False if there is no room."""
        return self._offer(GAPS, gap.symbol, encode(gap), self._on_record)

    def offer_coverage(self, coverage: Coverage) -> bool:
        """Queue what this instance receives; False if there is no room."""
        return self._offer(COVERAGE, coverage.instance, encode(coverage), self._on_record)

    async def room(self) -> None:
        """Wait until deliveries may have made room."""
        self._metrics.waits.inc()
        self._room.clear()
        await self._room.wait()

    async def run(self) -> None:
        """Serve delivery reports for ever; raises `DeliveryError` if Kafka gave up on us."""
        while True:
            if self._producer.poll(0):
                self._room.set()
            self._publish()
            if self._fatal is not None:
                raise DeliveryError(str(self._fatal)) from self._fatal
            await asyncio.sleep(POLL_SECONDS)

    async def close(self, within: float) -> int:
        """Deliver what is queued and give the number of messages that stayed behind.

        Args:
            within: seconds that this may take.
        """
        await asyncio.to_thread(self._producer.flush, within)
        self._publish()
        return self._unsettled

    def _offer(self, topic: str, key: str, value: bytes, report: Report) -> bool:
        try:
            self._producer.produce(topic, value, key, on_delivery=report)
        except BufferError:
            return False
        except KafkaException as error:
            self._unsettled += 1
            report(error.args[0], None)
            self._tell_dropped(topic, value)
            return True
        self._unsettled += 1
        return True

    def _publish(self) -> None:
        """Bring the metrics up to date: a call per trade would cost as much as producing it."""
        self._metrics.produced.inc(self._produced)
        self._metrics.delivered.inc(self._delivered)
        self._produced = self._delivered = 0
        if self._last_delivered is not None:
            self._metrics.delivery_latency.observe(self._last_delivered.latency() or 0.0)
            self._last_delivered = None

    def _missing_topics(self) -> list[str] | None:
        """Give our topics that Kafka doesn't have, or None if it doesn't answer."""
        # Asking for all topics, since asking for one may create it.
        try:
            known = self._producer.list_topics(timeout=METADATA_SECONDS).topics
        except KafkaException as error:
            if classify(error) is Failure.FATAL:
                raise DeliveryError(f"Kafka refuses us: {error.args[0].str()}") from error
            return None
        return [name for name in (self._topic, *_SIDE_TOPICS) if name not in known]

    def _on_trade(self, error: KafkaError | None, message: Message | None) -> None:
        self._unsettled -= 1
        if error is None and message is not None:
            self._brokers_up = True
            self._delivered += 1
            self._last_delivered = message
        elif error is not None:
            self._metrics.failed.inc()
            if message is not None:
                self._tell_dropped(self._topic, message.value() or b"")
            self._give_up_if_fatal(error)

    def _on_dead_letter(self, error: KafkaError | None, _: Message | None) -> None:
        self._unsettled -= 1
        if error is not None:
            self._metrics.dead_letters_failed.inc()
            self._give_up_if_fatal(error)

    def _on_record(self, error: KafkaError | None, _: Message | None) -> None:
        self._unsettled -= 1
        if error is not None:
            self._metrics.records_failed.inc()
            self._give_up_if_fatal(error)

    def _tell_dropped(self, topic: str, value: bytes) -> None:
        """Let whoever keeps count of interruptions know that an accepted trade is lost."""
        if topic == self._topic and self._observer is not None:
            trade = decode_trade(value)
            time = trade.trade_time
            self._observer.dropped(trade.symbol, time, time, "not_delivered")

    def _on_error(self, error: KafkaError) -> None:
        log.warning("kafka_error", extra={"fields": {"code": error.name(), "text": error.str()}})
        if error.code() == KafkaError._ALL_BROKERS_DOWN:  # noqa: SLF001 - a public constant
            self._brokers_up = False
        if error.fatal():
            self._fatal = self._fatal or KafkaException(error)

    def _give_up_if_fatal(self, error: KafkaError) -> None:
        """A message is lost; if the next ones would be too, a restart with its alarm is better."""
        log.error("not_delivered", extra={"fields": {"code": error.name(), "text": error.str()}})
        failure = KafkaException(error)
        if classify(failure) is Failure.FATAL:
            self._fatal = self._fatal or failure
