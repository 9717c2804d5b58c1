"""Takes messages out of the outbox and through the channels, one at a time for each chat.

1. An unsure message is looked for; if it is there, that settles it.
2. That it goes out is noted, then it goes out.
3. What came of it is noted: arrived, to be tried again, or refused.
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from cryptostream.alerts import metrics
from cryptostream.alerts.backoff import rest_ms
from cryptostream.alerts.channels import Channel, Letter, Outcome, Refused, Retry, Sent
from cryptostream.alerts.errors import SearchError
from cryptostream.alerts.text import Links, of_digest, of_event

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cryptostream.alerts.candles import Candles
    from cryptostream.alerts.model import Parcel, Target, Told
    from cryptostream.alerts.outbox import Outbox

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.25
MAX_IN_FLIGHT: Final = 8
#: What is under way when the end is asked for gets so long.
GRACE_SECONDS: Final = 10.0


class Courier:
    """Delivers until it is told to stop."""

    def __init__(
        self,
        outbox: Outbox,
        channels: Mapping[str, Channel],
        candles: Candles,
        links: Links,
        *,
        identity: str,
        clock_ms: Callable[[], int],
    ) -> None:
        self._outbox = outbox
        self._channels = channels
        self._candles = candles
        self._links = links
        self._identity = identity
        self._clock_ms = clock_ms
        self._under_way: dict[Target, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that something may be due."""
        self._woken.set()

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`; a bug in a delivery ends the process rather than the delivery."""
        while not stop.is_set():
            self._start_due()
            self._woken.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), POLL_SECONDS)
            self._collect()
        if self._under_way:
            _, late = await asyncio.wait(self._under_way.values(), timeout=GRACE_SECONDS)
            for task in late:
                task.cancel()
            self._collect()

    def _start_due(self) -> None:
        now = self._clock_ms()
        for parcel in self._outbox.due(now):
            channel = self._channels.get(parcel.target.channel)
            if channel is None:
                self._settle(parcel, Refused("no_channel"))
            elif (
                parcel.target not in self._under_way
                and len(self._under_way) < MAX_IN_FLIGHT
                and channel.next_ms(parcel.target.chat, now) <= now
            ):
                task = asyncio.create_task(self._deliver(parcel, channel))
                task.add_done_callback(lambda _task: self._woken.set())
                self._under_way[parcel.target] = task

    def _collect(self) -> None:
        for target, task in list(self._under_way.items()):
            if task.done():
                del self._under_way[target]
                if not task.cancelled():
                    task.result()

    async def _deliver(self, parcel: Parcel, channel: Channel) -> None:
        tellings = self._outbox.content(parcel.number)
        letter = self._letter(parcel, tellings)
        if parcel.state == "unsure":
            found = await channel.find(letter)
            if found is not None:
                self._settle(parcel, found)
                return
        if self._clock_ms() > parcel.expires_ms:
            self._settle(parcel, Refused("expired"))
            return
        if channel.takes_pictures and not parcel.plain:
            letter = self._letter(parcel, tellings, await self._picture(parcel, tellings))
        self._outbox.sending(parcel.number, channel.floor(parcel.target.chat))
        self._settle(parcel, await channel.send(letter))

    def _letter(self, parcel: Parcel, tellings: list[Told], picture: bytes | None = None) -> Letter:
        if parcel.kind == "alert" or len(tellings) == 1:
            content = of_event(tellings[0], self._links)
        else:
            content = of_digest(tellings, self._links, quiet=parcel.kind == "quiet")
        key = f"{self._identity}-{parcel.number}"
        return Letter(parcel, key, content, tuple(tellings), picture)

    async def _picture(self, parcel: Parcel, tellings: list[Told]) -> bytes | None:
        event = tellings[0].event
        if parcel.kind != "alert" or not event.symbol:
            return None
        try:
            return await self._candles.picture(event)
        except SearchError as error:
            # An alert without its picture is better than a late one.
            log.warning("no_picture", extra={"fields": {"error": error}})
            return None

    def _settle(self, parcel: Parcel, outcome: Outcome) -> None:
        now, channel = self._clock_ms(), parcel.target.channel
        match outcome:
            case Sent(number):
                self._outbox.sent(parcel.number, number, now)
                metrics.DELIVERIES.labels(channel, "sent", "").inc()
                for told in self._outbox.content(parcel.number):
                    metrics.DELAY.observe(max(0, now - told.event.time) / 1000)
            case Retry(reason, after, unsure, plain):
                jitter = random.random()  # noqa: S311 (jitter, no secret)
                rest = rest_ms(parcel.attempts + 1, jitter) if after is None else after
                self._outbox.retry(
                    parcel.number, reason, due_ms=now + rest, unsure=unsure, plain=plain, now_ms=now
                )
                metrics.DELIVERIES.labels(channel, "retried", reason).inc()
            case Refused(reason):
                self._outbox.dropped(parcel.number, reason, now)
                metrics.DELIVERIES.labels(channel, "dropped", reason).inc()
                fields = {"channel": channel, "message": parcel.number, "reason": reason}
                log.warning("message_dropped", extra={"fields": fields})
