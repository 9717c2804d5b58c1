"""Answers commands: long poll of `getUpdates`, one update after the other.

An update counts as done before it is answered: a kill in between costs an answer, which a person
asks for again, and never gives one twice. What a command changes is kept at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.alerts import answers, metrics
from cryptostream.alerts.backoff import rest_ms
from cryptostream.alerts.commands import COMMANDS, parse_command
from cryptostream.alerts.errors import BotError
from cryptostream.alerts.telegram import mailbox
from cryptostream.alerts.text import MAX_CAPTION, as_html

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.alerts.botapi import BotApi
    from cryptostream.alerts.chats import Chats
    from cryptostream.alerts.clerk import Answer, Clerk
    from cryptostream.alerts.telegram import Telegram

log = logging.getLogger(__name__)

POLL_SECONDS: Final = 25
#: Beyond the poll itself: the answer's way.
POLL_MARGIN_SECONDS: Final = 10.0
MAX_AGE_SECONDS: Final = 120
MAX_WAIT_SECONDS: Final = 10.0
#: A stranger is told once an hour; so many strangers are remembered.
REFUSE_EVERY_MS: Final = 3_600_000
MAX_STRANGERS: Final = 1_000
_OFFSET: Final = "updates"


class _Chat(msgspec.Struct, frozen=True):
    id: int


class _Message(msgspec.Struct, frozen=True):
    message_id: int
    chat: _Chat
    date: int = 0
    text: str = ""


class _Query(msgspec.Struct, frozen=True):
    id: str
    data: str = ""
    message: _Message | None = None


class _Update(msgspec.Struct, frozen=True):
    update_id: int
    message: _Message | None = None
    callback_query: _Query | None = None


class _Numbered(msgspec.Struct, frozen=True):
    update_id: int


class _Me(msgspec.Struct, frozen=True):
    username: str = ""


class Desk:
    """The bot's ears; `allowed` are the ids of the chats that it answers."""

    def __init__(
        self,
        api: BotApi,
        telegram: Telegram,
        chats: Chats,
        clerk: Clerk,
        *,
        allowed: frozenset[str],
        clock_ms: Callable[[], int],
    ) -> None:
        self._api = api
        self._telegram = telegram
        self._chats = chats
        self._clerk = clerk
        self._allowed = allowed
        self._clock_ms = clock_ms
        self._me = ""
        self._strangers: OrderedDict[str, int] = OrderedDict()

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`; what fails is tried again, ever more slowly."""
        failures = 0
        while not stop.is_set():
            try:
                if not self._me:
                    await self._introduce()
                await self._listen(stop)
            except BotError as error:
                failures += 1
                metrics.UPDATES_OK.set(0)
                log.warning("telegram_silent", extra={"fields": {"error": error.text}})
                asked = error.retry_after or 0.0
                await _rest(stop, max(asked, rest_ms(failures, 0.0) / 1000))
            else:
                failures = 0

    async def _introduce(self) -> None:
        """Ask who we are, and tell Telegram our commands for its menu."""
        self._me = (await self._api.call("getMe", _Me, {})).username
        menu = [{"command": name, "description": what} for name, what in COMMANDS.items()]
        await self._api.call("setMyCommands", bool, {"commands": menu})
        log.info("telegram_reached", extra={"fields": {"bot": self._me}})

    async def _listen(self, stop: asyncio.Event) -> None:
        parameters = {
            "offset": self._chats.number(_OFFSET),
            "timeout": POLL_SECONDS,
            "allowed_updates": ["message", "callback_query"],
        }
        call = self._api.call(
            "getUpdates",
            list[msgspec.Raw],
            parameters,
            seconds=POLL_SECONDS + POLL_MARGIN_SECONDS,
        )
        updates = await _unless(stop, call)
        metrics.UPDATES_OK.set(1)
        for raw in updates or ():
            await self._take(raw)

    async def _take(self, raw: msgspec.Raw) -> None:
        try:
            number = msgspec.json.decode(raw, type=_Numbered).update_id
            self._chats.keep(_OFFSET, number + 1)
            update = msgspec.json.decode(raw, type=_Update)
        except (ValueError, RecursionError, ArithmeticError):
            metrics.REFUSED.labels("telegram").inc()
            log.warning("update_refused")
            return
        if update.callback_query is not None:
            await self._press(update.callback_query)
        elif update.message is not None:
            await self._read(update.message)

    async def _read(self, message: _Message) -> None:
        chat = str(message.chat.id)
        self._chats.saw(mailbox(chat), message.message_id)
        if message.date < self._clock_ms() / 1000 - MAX_AGE_SECONDS:
            return
        command = parse_command(message.text, self._me)
        if command is None:
            return
        if chat not in self._allowed:
            await self._refuse(chat)
            return
        metrics.COMMANDS.labels(command.name if command.name in COMMANDS else "unknown").inc()
        await self._say(chat, await self._clerk.answer(chat, command))

    async def _press(self, query: _Query) -> None:
        """Answer a button; the answer is a short notice, no message."""
        chat = str(query.message.chat.id) if query.message else ""
        words = "Not allowed here."
        if chat in self._allowed:
            words = self._clerk.press(chat, query.data)
        try:
            parameters = {"callback_query_id": query.id, "text": words}
            await self._api.call("answerCallbackQuery", Any, parameters)
        except BotError as error:
            log.warning("answer_failed", extra={"fields": {"error": error.text}})

    async def _refuse(self, chat: str) -> None:
        now = self._clock_ms()
        metrics.COMMANDS.labels("refused").inc()
        if now - self._strangers.get(chat, -REFUSE_EVERY_MS) < REFUSE_EVERY_MS:
            return
        self._strangers[chat] = now
        self._strangers.move_to_end(chat)
        if len(self._strangers) > MAX_STRANGERS:
            self._strangers.popitem(last=False)
        log.warning("stranger_refused", extra={"fields": {"chat": chat}})
        await self._say(chat, (answers.refusal(chat), None))

    async def _say(self, chat: str, answer: Answer) -> None:
        content, picture = answer
        wait = (self._telegram.next_ms(chat, self._clock_ms()) - self._clock_ms()) / 1000
        if wait > MAX_WAIT_SECONDS:
            return  # the chat asks too much, or Telegram does: alerts come first
        await asyncio.sleep(max(0.0, wait))
        text = as_html(content, MAX_CAPTION) if picture else as_html(content)
        try:
            await self._telegram.say(chat, text, picture)
        except BotError as error:
            log.warning("answer_failed", extra={"fields": {"error": error.text}})


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _unless(stop: asyncio.Event, call: Any) -> Any:
    """Await a call, or give it up when the end is asked for."""
    calling, stopping = asyncio.ensure_future(call), asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait({calling, stopping}, return_when=asyncio.FIRST_COMPLETED)
        return calling.result() if calling.done() else None
    finally:
        calling.cancel()
        stopping.cancel()
