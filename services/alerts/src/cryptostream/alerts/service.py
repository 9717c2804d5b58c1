"""All parts of the room, put together, and run as one."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from cryptostream.alerts import metrics
from cryptostream.alerts.botapi import BotApi
from cryptostream.alerts.candles import Candles
from cryptostream.alerts.channels import Channel, Stdout, Webhook
from cryptostream.alerts.chats import Chats
from cryptostream.alerts.clerk import Clerk
from cryptostream.alerts.courier import Courier
from cryptostream.alerts.database import Database
from cryptostream.alerts.desk import Desk
from cryptostream.alerts.dispatch import Dispatcher
from cryptostream.alerts.figures import Figures
from cryptostream.alerts.intake import Intake
from cryptostream.alerts.kafka import AlertTopic
from cryptostream.alerts.limits import MINUTE_MS, Limits
from cryptostream.alerts.model import DAY_MS
from cryptostream.alerts.outbox import Outbox
from cryptostream.alerts.receipts import Receipts
from cryptostream.alerts.search import Search
from cryptostream.alerts.telegram import Telegram
from cryptostream.alerts.webhook import AlarmDoor

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from pydantic import SecretStr

    from cryptostream.alerts.settings import AlertsSettings
    from cryptostream.contracts.settings import ElasticsearchSettings, KafkaSettings

log = logging.getLogger(__name__)

TIDY_SECONDS: Final = 30.0
#: Events are remembered longer than the oldest that is taken, so that a replay tells nothing.
KEEP_MS: Final = 2 * DAY_MS
PRUNE_EVENTS: Final = 2_000


class Service:
    """The running room; must be made in a running loop. Raises `SettingsError`."""

    def __init__(
        self,
        settings: AlertsSettings,
        kafka: KafkaSettings,
        elasticsearch: ElasticsearchSettings,
        client: httpx.AsyncClient,
        clock_ms: Callable[[], int],
    ) -> None:
        token, rules = settings.token(), settings.policy()
        self._clock_ms = clock_ms
        self._database = Database(settings.state)
        self._outbox = Outbox(
            self._database, max_open=settings.max_open, window_ms=rules.digest_window_ms
        )
        self._chats = Chats(self._database, settings.defaults())
        self._search = Search(elasticsearch)
        self._candles = Candles(self._search)
        self._desk: Desk | None = None
        self._intake: Intake
        channels = self._channels(settings, token, client)
        self._courier = Courier(
            self._outbox,
            channels,
            self._candles,
            settings.links(),
            identity=self._chats.identity(),
            clock_ms=clock_ms,
        )
        targets = settings.targets(telegram=bool(token.get_secret_value()))
        dispatcher = Dispatcher(self._outbox, self._chats, targets, rules, clock_ms)
        self._topic = AlertTopic(kafka, settings.group)
        wake = self._courier.wake
        self._intake = Intake(self._topic, self._outbox, dispatcher, clock_ms, wake=wake)
        alarm_token = settings.alertmanager_token.get_secret_value()
        self.door = AlarmDoor(dispatcher, clock_ms, token=alarm_token, wake=wake)
        self._receipts = Receipts(self._outbox, self._search)

    def _channels(
        self, settings: AlertsSettings, token: SecretStr, client: httpx.AsyncClient
    ) -> dict[str, Channel]:
        channels: list[Channel] = [Stdout()]
        if settings.webhook_url:
            channels.append(Webhook(settings.webhook_url, client))
        if token.get_secret_value():
            channels.append(self._telegram(settings, token, client))
        else:
            log.warning(
                "no_telegram",
                extra={"fields": {"why": "set ALERTS_TELEGRAM_TOKEN and ALERTS_TELEGRAM_CHATS"}},
            )
        return {channel.name: channel for channel in channels}

    def _telegram(
        self, settings: AlertsSettings, token: SecretStr, client: httpx.AsyncClient
    ) -> Telegram:
        api = BotApi(settings.telegram_url, token, client)
        telegram = Telegram(api, self._chats, self._limits(), self._clock_ms)
        clerk = Clerk(
            self._chats,
            self._outbox,
            Figures(self._search),
            self._candles,
            identity=self._chats.identity(),
            zone=settings.zone,
            lag=lambda: self._intake.lag,
            clock_ms=self._clock_ms,
        )
        allowed = frozenset(settings.chats)
        self._desk = Desk(
            api, telegram, self._chats, clerk, allowed=allowed, clock_ms=self._clock_ms
        )
        return telegram

    def _limits(self) -> Limits:
        """Begin with what was sent within the last minute, and what Telegram asked for."""
        limits, now = Limits(), self._clock_ms()
        for chat, at in self._chats.sent_since(now - MINUTE_MS):
            limits.note(chat, at)
        for chat, until in self._chats.blocks(now).items():
            limits.block(chat, until)
        return limits

    @property
    def is_ready(self) -> bool:
        """Whether alerts reach us."""
        return self._topic.is_assigned

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`: then no more comes in, and what is under way is settled."""
        parts = [self._intake.run(stop), self._courier.run(stop), self._tidy(stop)]
        if self._desk is not None:
            parts.append(self._desk.run(stop))
        settled = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            receipts = tasks.create_task(self._receipts.run(settled))
            try:
                async with asyncio.TaskGroup() as inner:
                    for part in parts:
                        inner.create_task(part)
            finally:
                settled.set()
            await receipts
        await self._intake.commit()

    async def _tidy(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            now = self._clock_ms()
            self._outbox.prune(now - KEEP_MS, PRUNE_EVENTS)
            self._chats.forget(now - KEEP_MS)
            for state, count in self._outbox.states().items():
                metrics.MESSAGES.labels(state).set(count)
            try:
                await asyncio.wait_for(stop.wait(), TIDY_SECONDS)
            except TimeoutError:
                continue

    async def close(self) -> None:
        """Leave all servers; what was committed stays."""
        await self.door.close()
        await asyncio.to_thread(self._topic.close)
        await self._search.close()
        self._database.close()
