"""Kafka to outbox, and offsets back.

1. A message is read and its event kept, with what was decided on it.
2. It is delivered, and its receipt written (`courier`, `receipts`).
3. Its offset is committed: the first one of the partition that is not done, or the next to read.

So whatever is lost (the process, the machine, the state folder), Kafka gives again what nobody
got, and the outbox knows what somebody did.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, Final

from cryptostream.alerts import metrics
from cryptostream.alerts.errors import OutboxFullError
from cryptostream.alerts.kafka import KafkaLostError
from cryptostream.alerts.parse import event_of_alert
from cryptostream.contracts.errors import ContractError
from cryptostream.contracts.messages import dead_letter

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.alerts.dispatch import Dispatcher
    from cryptostream.alerts.kafka import AlertTopic, Record
    from cryptostream.alerts.outbox import Outbox

log = logging.getLogger(__name__)

RETRY_SECONDS: Final = 1.0


class Intake:
    """Moves messages until it is told to stop; a full outbox makes Kafka wait."""

    def __init__(
        self,
        topic: AlertTopic,
        outbox: Outbox,
        dispatcher: Dispatcher,
        clock_ms: Callable[[], int],
        *,
        wake: Callable[[], None],
    ) -> None:
        self._topic = topic
        self._outbox = outbox
        self._dispatcher = dispatcher
        self._clock_ms = clock_ms
        self._wake = wake
        self._waiting: deque[Record] = deque()
        self._next: dict[int, int] = {}
        self._committed: dict[int, int] = {}
        self.lag = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, and commit a last time."""
        while not stop.is_set():
            paused = bool(self._waiting) or self._outbox.is_full
            self._waiting += await asyncio.to_thread(self._topic.read, paused=paused)
            await self._take_all()
            await self.commit()
            self.lag = self._topic.lag()

    async def _take_all(self) -> None:
        taken = False
        while self._waiting:
            record = self._waiting[0]
            try:
                taken |= await self._take(record)
            except OutboxFullError:
                break
            except KafkaLostError as error:
                log.warning("kafka_lost", extra={"fields": {"error": error}})
                await asyncio.sleep(RETRY_SECONDS)
                break
            self._waiting.popleft()
            self._next[record.position.partition] = record.position.offset + 1
        if taken:
            self._wake()

    async def _take(self, record: Record) -> bool:
        try:
            event = event_of_alert(record.value)
        except ContractError as error:
            await self._refuse(record, error)
            return False
        return self._dispatcher.take(event, record.position)

    async def _refuse(self, record: Record, error: ContractError) -> None:
        letter = dead_letter(
            record.value,
            source=f"{record.topic}/{record.position.partition}@{record.position.offset}",
            component="alerts",
            error=error,
            now_ms=self._clock_ms(),
        )
        await asyncio.to_thread(self._topic.refuse, letter)
        metrics.REFUSED.labels("kafka").inc()
        log.warning("message_refused", extra={"fields": {"source": letter.source, "why": error}})

    async def commit(self) -> None:
        """Commit what is done, where that is more than before."""
        first_open = self._outbox.open_offsets()
        offsets = {
            partition: min(first_open.get(partition, following), following)
            for partition, following in self._next.items()
        }
        fresh = {part: at for part, at in offsets.items() if self._committed.get(part) != at}
        if not fresh:
            return
        try:
            await asyncio.to_thread(self._topic.commit, fresh)
        except KafkaLostError as error:
            log.warning("kafka_lost", extra={"fields": {"error": error}})
        else:
            self._committed |= fresh
