"""Does what commands ask for, and gives the answer to be said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptostream.alerts import answers
from cryptostream.alerts.commands import (
    DEFAULT_MUTE_MS,
    Command,
    CommandError,
    interval_of,
    mute_of,
    subscription_of,
    symbol_of,
)
from cryptostream.alerts.errors import SearchError
from cryptostream.alerts.model import Mute, Target
from cryptostream.alerts.picture import Heading
from cryptostream.alerts.telegram import CHANNEL
from cryptostream.alerts.text import Content

if TYPE_CHECKING:
    from collections.abc import Callable

    from cryptostream.alerts.candles import Candles
    from cryptostream.alerts.chats import Chats
    from cryptostream.alerts.figures import Figures
    from cryptostream.alerts.outbox import Outbox

NEWEST: Final = 10
#: What is said, and a picture with it.
Answer = tuple[Content, bytes | None]


class Clerk:
    """Answers the chats that are allowed; changes nothing but a chat's own silence and wishes."""

    def __init__(
        self,
        chats: Chats,
        outbox: Outbox,
        figures: Figures,
        candles: Candles,
        *,
        identity: str,
        zone: str,
        lag: Callable[[], int],
        clock_ms: Callable[[], int],
    ) -> None:
        self._chats = chats
        self._outbox = outbox
        self._figures = figures
        self._candles = candles
        self._identity = identity
        self._zone = zone
        self._lag = lag
        self._clock_ms = clock_ms

    async def answer(self, chat: str, command: Command) -> Answer:
        """Answer a command; raises nothing that a person or Elasticsearch may cause."""
        try:
            if command.name == "chart":
                return await self._chart(command)
            return await self._words(Target(CHANNEL, chat), command), None
        except CommandError as error:
            return answers.trouble(str(error)), None
        except SearchError as error:
            return answers.trouble(f"{error}."), None

    async def _words(self, target: Target, command: Command) -> Content:
        now = self._clock_ms()
        match command.name:
            case "status":
                pipeline = await self._figures.pipeline(now)
                content = answers.status(pipeline, self._outbox.states(), self._lag())
            case "top":
                content = answers.top(await self._figures.movers(now))
            case "price":
                symbol = symbol_of(command.words)
                content = answers.price(symbol, await self._figures.quote(symbol), now)
            case "alerts":
                content = answers.alerts(self._outbox.newest(NEWEST))
            case "mute":
                content = self._mute(target, mute_of(command.words, now))
            case "unmute":
                self._chats.unmute(target)
                content = Content("Nothing is muted")
            case "subscribe":
                content = self._subscribe(target, command.words)
            case _:
                content = answers.help_text()
        return content

    def _mute(self, target: Target, mute: Mute) -> Content:
        if not self._chats.mute(target, mute, self._clock_ms()):
            return answers.trouble("Too many mutes at once; /unmute ends them.")
        return answers.muted(mute)

    def _subscribe(self, target: Target, words: tuple[str, ...]) -> Content:
        wanted = self._chats.subscription(target)
        if words:
            wanted = subscription_of(words, wanted)
            self._chats.subscribe(target, wanted)
        mutes = self._chats.mutes(target, self._clock_ms())
        return answers.subscription(wanted, mutes, self._zone)

    async def _chart(self, command: Command) -> Answer:
        symbol, interval = symbol_of(command.words), interval_of(command.words)
        bars = await self._candles.read(symbol, interval, end_ms=self._clock_ms())
        if not bars:
            return Content(f"No {interval} candles of {symbol} are stored"), None
        heading = Heading(symbol, f"{interval} candles, UTC")
        return Content(f"{symbol} {interval}"), await self._candles.draw(bars, heading)

    def press(self, chat: str, data: str) -> str:
        """Do what a message's button says: silence what the message was about for an hour."""
        prefix = f"m:{self._identity}-"
        number = data.removeprefix(prefix)
        if not data.startswith(prefix) or not number.isdecimal() or len(number) > 15:  # noqa: PLR2004
            return "This message is too old."
        parcel = self._outbox.parcel(int(number))
        if parcel is None or parcel.target != Target(CHANNEL, chat):
            return "This message is too old."
        tellings = self._outbox.content(parcel.number)
        until = self._clock_ms() + DEFAULT_MUTE_MS
        mute = Mute(until)
        if parcel.kind == "alert" and tellings:
            mute = Mute(until, tellings[0].event.rule, tellings[0].event.symbol)
        return self._mute(parcel.target, mute).title
