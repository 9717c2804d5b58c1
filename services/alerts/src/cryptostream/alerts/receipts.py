"""Receipts: what became of each delivery, one document each, its last word counts."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from typing import TYPE_CHECKING, Any, Final

from cryptostream.alerts import metrics
from cryptostream.alerts.errors import SearchError
from cryptostream.contracts.indices import index_name

if TYPE_CHECKING:
    from cryptostream.alerts.model import Receipt
    from cryptostream.alerts.outbox import Outbox
    from cryptostream.alerts.search import Search

log = logging.getLogger(__name__)

BATCH: Final = 500
POLL_SECONDS: Final = 0.25
RETRY_SECONDS: Final = 2.0
#: Elasticsearch takes ids of up to 512 bytes.
MAX_ID_BYTES: Final = 480
_TOO_MANY: Final = 429
_REFUSED: Final = range(400, 500)


def receipt_id(receipt: Receipt) -> str:
    """Identify a delivery: `channel:chat:event`, or its hash where that is too long."""
    text = f"{receipt.target.channel}:{receipt.target.chat}:{receipt.event.event_id}"
    if len(text.encode()) <= MAX_ID_BYTES:
        return text
    return hashlib.sha256(text.encode()).hexdigest()


def document(receipt: Receipt) -> dict[str, Any]:
    """Render a receipt as the contract's mapping says."""
    event = receipt.event
    return {
        "exchange": event.exchange,
        "category": event.category,
        "symbol": event.symbol,
        "alert_id": event.event_id,
        "rule": event.rule,
        "severity": event.severity,
        "channel": receipt.target.channel,
        "chat": receipt.target.chat,
        "state": receipt.state,
        "reason": receipt.reason,
        "attempts": receipt.attempts,
        "alert_time": event.time,
        "time": receipt.changed_ms,
        "v": 1,
    }


class Receipts:
    """Writes receipts until it is told to stop, and then those that are left."""

    def __init__(self, outbox: Outbox, search: Search) -> None:
        self._outbox = outbox
        self._search = search
        self._failing = False

    async def run(self, stop: asyncio.Event) -> None:
        """Write until `stop`."""
        while not stop.is_set():
            pause = POLL_SECONDS if await self.write() else RETRY_SECONDS
            try:
                await asyncio.wait_for(stop.wait(), pause)
            except TimeoutError:
                continue
        await self.write()

    async def write(self) -> bool:
        """Write what is to be written; False if Elasticsearch did not take all of it."""
        receipts = self._outbox.receipts(BATCH)
        metrics.OPEN.set(self._outbox.open_events())
        if not receipts:
            return True
        documents = [
            (index_name("receipts", one.event.time), receipt_id(one), document(one))
            for one in receipts
        ]
        try:
            statuses = await self._search.write(documents)
        except SearchError as error:
            self._note(failing=True, error=str(error))
            return False
        settled = [
            one for one, status in zip(receipts, statuses, strict=True) if self._is_settled(status)
        ]
        self._outbox.receipted(settled)
        self._note(failing=len(settled) < len(receipts), error="overloaded")
        return len(settled) == len(receipts)

    def _is_settled(self, status: int) -> bool:
        """Tell whether a receipt is done with: a refused one would be refused for ever."""
        if status in _REFUSED and status != _TOO_MANY:
            metrics.RECEIPTS.labels("refused").inc()
            log.error("receipt_refused", extra={"fields": {"status": status}})
            return True
        written = status < _REFUSED.start
        metrics.RECEIPTS.labels("written" if written else "retried").inc()
        return written

    def _note(self, *, failing: bool, error: str) -> None:
        if failing != self._failing:
            event = "elasticsearch_lost" if failing else "elasticsearch_reached"
            log.warning(event, extra={"fields": {"error": error if failing else ""}})
        self._failing = failing
