"""Telegram as a channel: within its limits, and without a double after a crash.

The Bot API knows no idempotency key, and a bot can't read what it wrote. But a message of ours has
a keyboard with a key of its own, and setting the keyboard that a message has already is refused
with `message is not modified`. So whether a message arrived can be asked: its number is above the
newest one that was known before the call. A number that is not ours, or of no message, is refused
in other words, and nothing in the chat changes.
"""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.alerts.channels import Letter, Outcome, Refused, Retry, Sent
from cryptostream.alerts.errors import BotError
from cryptostream.alerts.model import Target
from cryptostream.alerts.text import MAX_CAPTION, Content, as_html, as_plain

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.alerts.botapi import BotApi
    from cryptostream.alerts.chats import Chats
    from cryptostream.alerts.limits import Limits

log = logging.getLogger(__name__)

CHANNEL: Final = "telegram"
#: Numbers that are asked for beyond the newest one that was seen.
PROBE_MARGIN: Final = 12
MAX_PROBES: Final = 60
PROBE_PAUSE_SECONDS: Final = 0.05
UNAUTHORIZED_MS: Final = 300_000
_SUPERGROUP: Final = "-100"
_BAD_REQUEST, _FORBIDDEN, _TOO_MANY = 400, 403, 429
_UNAUTHORIZED: Final = frozenset({401, 404})
_HELLO: Final = Content(
    "Alerts of cryptostream come here from now on", ("/help tells what this chat can ask.",)
)


class Written(msgspec.Struct, frozen=True):
    """What we read of a message that the API made."""

    message_id: int


def mailbox(chat: str) -> str:
    """Name what numbers a chat's messages: a supergroup itself, else the bot's account."""
    return chat if chat.startswith(_SUPERGROUP) else "account"


def keyboard(key: str, *, digest: bool) -> dict[str, Any]:
    """Give the keyboard of a message: one button, whose data is the message's key."""
    words = "Mute all for 1 h" if digest else "Mute for 1 h"
    return {"inline_keyboard": [[{"text": words, "callback_data": f"m:{key}"}]]}


class Telegram:
    """The channel `telegram`, and the way by which answers to commands go out."""

    name = CHANNEL
    takes_pictures = True

    def __init__(
        self, api: BotApi, chats: Chats, limits: Limits, clock_ms: Callable[[], int]
    ) -> None:
        self._api = api
        self._chats = chats
        self._limits = limits
        self._clock_ms = clock_ms

    def next_ms(self, chat: str, now_ms: int) -> int:
        """Give the earliest time at which Telegram takes a message for the chat."""
        return self._limits.next_ms(chat, now_ms)

    def floor(self, chat: str) -> int:
        """Give the newest message number that was seen in the chat's mailbox."""
        return self._chats.top(mailbox(chat))

    async def send(self, letter: Letter) -> Outcome:
        """Send a message with its picture; a chat that never got one is greeted first."""
        chat = letter.parcel.target.chat
        try:
            if not self._chats.is_greeted(Target(CHANNEL, chat)):
                await self.say(chat, as_html(_HELLO))
                self._chats.greeted(Target(CHANNEL, chat))
                # The greeting's number is the floor that makes the alert findable.
                return Retry("greeted", after_ms=0)
            return Sent(await self._post(letter))
        except BotError as error:
            return self._outcome(error, letter)

    async def _post(self, letter: Letter) -> int:
        plain, photo = letter.parcel.plain, letter.picture
        limit = MAX_CAPTION if photo and not plain else None
        extra = {"reply_markup": keyboard(letter.key, digest=letter.parcel.kind != "alert")}
        text = _text(letter.content, plain=plain, limit=limit)
        chat = letter.parcel.target.chat
        return await self.say(
            chat, text, None if plain else photo, plain=plain, key=letter.key, **extra
        )

    async def say(
        self,
        chat: str,
        text: str,
        photo: bytes | None = None,
        *,
        plain: bool = False,
        key: str = "",
        **extra: Any,
    ) -> int:
        """Send a text, or a picture with a caption; give its number. Raises `BotError`."""
        self._limits.note(chat, self._clock_ms())
        parameters: dict[str, Any] = {"chat_id": int(chat), **extra}
        if not plain:
            parameters["parse_mode"] = "HTML"
        try:
            if photo is None:
                parameters |= {"text": text, "link_preview_options": {"is_disabled": True}}
                made = await self._api.call("sendMessage", Written, parameters)
            else:
                parameters["caption"] = text
                made = await self._api.call("sendPhoto", Written, parameters, photo=photo)
        except BotError as error:
            self._obey(chat, error)
            raise
        self._note(chat, made.message_id, key)
        return made.message_id

    def _note(self, chat: str, number: int, key: str) -> None:
        self._chats.own(chat, number, mailbox(chat), key=key, now_ms=self._clock_ms())

    def _obey(self, chat: str, error: BotError) -> None:
        if error.retry_after is not None:
            until = self._clock_ms() + round(error.retry_after * 1000)
            self._limits.block(chat, until)
            self._chats.block(chat, until)

    def _outcome(self, error: BotError, letter: Letter) -> Outcome:
        """Say what a failed call means for the message: the only place that decides it."""
        log.warning("telegram_failed", extra={"fields": {"error": error.text}})
        said = error.text.lower()
        if error.retry_after is not None:
            return Retry("too_many_requests", after_ms=round(error.retry_after * 1000))
        if error.code in _UNAUTHORIZED:
            return Retry("unauthorized", after_ms=UNAUTHORIZED_MS)
        if error.code == _FORBIDDEN:
            return Refused("blocked" if "blocked" in said else "forbidden")
        if error.code == _BAD_REQUEST:
            if "chat not found" in said or "chat is now" in said:
                return Refused("chat_moved" if "chat is now" in said else "chat_not_found")
            return (
                Refused("bad_request")
                if letter.parcel.plain
                else Retry("bad_request", 0, plain=True)
            )
        return Retry(f"http_{error.code}" if error.code else "no_answer", unsure=not error.sure)

    async def find(self, letter: Letter) -> Outcome | None:
        """Look for a message above the floor that has this letter's keyboard."""
        chat, floor = letter.parcel.target.chat, letter.parcel.floor
        known = self._chats.number_of(chat, letter.key)
        if known is not None:
            return Sent(known)  # the kill came between that note and the outbox's
        if not floor:
            return None  # only the greeting can have gone out
        top = max(floor, self._chats.top(mailbox(chat))) + PROBE_MARGIN
        for number in range(floor + 1, min(top, floor + MAX_PROBES) + 1):
            if self._chats.is_own(chat, number):
                continue
            try:
                if await self._is_there(letter, number):
                    self._note(chat, number, letter.key)
                    return Sent(number)
            except BotError as error:
                self._obey(chat, error)
                after = None if error.retry_after is None else round(error.retry_after * 1000)
                return Retry("looking_failed", after, unsure=True)
            await asyncio.sleep(PROBE_PAUSE_SECONDS)
        return None

    async def _is_there(self, letter: Letter, number: int) -> bool:
        """Ask of one number; raises `BotError` where the answer says nothing of it."""
        chat = int(letter.parcel.target.chat)
        at = {"chat_id": chat, "message_id": number}
        markup = keyboard(letter.key, digest=letter.parcel.kind != "alert")
        try:
            await self._api.call("editMessageReplyMarkup", Any, {**at, "reply_markup": markup})
        except BotError as error:
            if error.code == _BAD_REQUEST:
                return "not modified" in error.text
            if error.code == _FORBIDDEN:
                return False
            raise
        # An answer of ours to a command, cut off before its number was known: put it back.
        await self._api.call("editMessageReplyMarkup", Any, at)
        return False


def _text(content: Content, *, plain: bool, limit: int | None) -> str:
    render = as_plain if plain else as_html
    return render(content) if limit is None else render(content, limit)
