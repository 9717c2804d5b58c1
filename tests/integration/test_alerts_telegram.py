"""The channel to Telegram against a Bot API that has its bad days."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr
from support.alerts import event
from support.eventually import eventually_async
from support.telegram import TOKEN, BotServer, Fault, serving

from cryptostream.alerts.botapi import BotApi
from cryptostream.alerts.chats import Chats
from cryptostream.alerts.courier import Courier
from cryptostream.alerts.database import Database
from cryptostream.alerts.dispatch import Dispatcher
from cryptostream.alerts.errors import SearchError
from cryptostream.alerts.limits import Limits
from cryptostream.alerts.model import Bar, Event, Subscription, Target
from cryptostream.alerts.outbox import Outbox
from cryptostream.alerts.picture import Heading, draw
from cryptostream.alerts.policy import Rules
from cryptostream.alerts.telegram import Telegram
from cryptostream.alerts.text import Links

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

PERSON, GROUP = "4711", "-1001234567890"


def now_ms() -> int:
    """Give the wall clock in epoch milliseconds."""
    return time.time_ns() // 1_000_000


class Pictures:
    """Candles that are always there, or never."""

    def __init__(self) -> None:
        self.broken = False

    async def picture(self, told: Event) -> bytes | None:
        """Draw a small picture."""
        if self.broken:
            raise SearchError("Elasticsearch can't be reached")
        return draw([Bar(told.time, 1, 2, 0.5, 1.5, 3)], Heading(told.symbol))


class Room:
    """The parts between the outbox and Telegram."""

    def __init__(
        self, folder: Path, url: str, client: httpx.AsyncClient, chats: Sequence[str]
    ) -> None:
        self.database = Database(folder)
        self.outbox = Outbox(self.database, max_open=10_000, window_ms=60_000)
        self.chats = Chats(self.database, Subscription(severity="info"))
        self.pictures = Pictures()
        api = BotApi(url, SecretStr(TOKEN), client)
        self.telegram = Telegram(api, self.chats, Limits(), now_ms)
        self.courier = Courier(
            self.outbox,
            {"telegram": self.telegram},
            self.pictures,  # type: ignore[arg-type]
            Links("http://board.example", "http://kibana.example"),
            identity=self.chats.identity(),
            clock_ms=now_ms,
        )
        targets = [Target("telegram", chat) for chat in chats]
        self.dispatcher = Dispatcher(
            self.outbox, self.chats, targets, Rules(digest_after=1_000), now_ms
        )

    def take(self, count: int, first: int = 0, **changes: Any) -> None:
        """Take in so many events, each of another symbol."""
        for number in range(first, first + count):
            told = event(
                event_id=f"e{number}", symbol=f"S{number}USDT", **({"time": now_ms()} | changes)
            )
            self.dispatcher.take(told)
        self.courier.wake()

    async def settled(self) -> bool:
        """Tell whether no message waits."""
        return not {"queued", "sending", "unsure"} & set(self.outbox.states())


@asynccontextmanager
async def running(folder: Path, server: BotServer, chats: Sequence[str]) -> AsyncIterator[Room]:
    """Run the courier; its end is a clean one."""
    stop = asyncio.Event()
    async with httpx.AsyncClient(trust_env=False) as client:
        room = Room(folder, server.url, client, chats)
        task = asyncio.create_task(room.courier.run(stop))
        try:
            yield room
        finally:
            stop.set()
            await task
            room.database.close()


@pytest.fixture
async def bot() -> AsyncIterator[BotServer]:
    """Give a Bot API server with a person and a group."""
    async with serving(BotServer(chats={PERSON, GROUP})) as server:
        yield server


async def test_an_alert_arrives_with_picture_and_button(bot: BotServer, tmp_path: Path) -> None:
    """One message: what, how unusual, links; nothing besides the greeting."""
    async with running(tmp_path, bot, [PERSON]) as room:
        room.take(1)
        await eventually_async(room.settled, within=60)
    greeting, told = bot.in_chat(PERSON)
    assert "Alerts of cryptostream" in greeting.text
    assert told.photo
    assert told.key
    assert "S0USDT price jump" in told.text
    assert "Value 210 (17.5 times the usual)" in told.text
    assert "Usual 12, threshold 100" in told.text
    assert "Board · Kibana" in told.text


async def test_without_candles_the_text_goes_out(bot: BotServer, tmp_path: Path) -> None:
    """An alert without its picture is better than none."""
    async with running(tmp_path, bot, [PERSON]) as room:
        room.pictures.broken = True
        room.take(1)
        await eventually_async(room.settled, within=60)
    (told,) = bot.alerts_in(PERSON)
    assert not told.photo


@pytest.mark.parametrize("kind", ["swallow", "drop", "500", "garbage", "html", "429"])
async def test_nothing_is_lost_or_doubled_by_a_fault(
    bot: BotServer, tmp_path: Path, kind: str
) -> None:
    """Whether or not Telegram did the work before it failed, the chat shows each alert once."""
    async with running(tmp_path, bot, [PERSON]) as room:
        room.take(1)
        await eventually_async(room.settled, within=60)
        bot.faults.append(Fault("sendPhoto", kind, times=2))
        room.take(2, first=1)
        await eventually_async(room.settled, within=120)
    assert sorted(one.text.split()[1] for one in bot.alerts_in(PERSON)) == [
        "S0USDT",
        "S1USDT",
        "S2USDT",
    ]


async def test_a_probe_never_changes_what_others_wrote(bot: BotServer, tmp_path: Path) -> None:
    """Between the alert and its answer people write, and another message of ours is there."""
    async with running(tmp_path, bot, [PERSON, GROUP]) as room:
        room.take(1)
        await eventually_async(room.settled, within=60)
        bot.enforce_limits = False
        bot.write(PERSON, "hello")
        bot.write("99", "somebody else")
        await room.telegram.say(PERSON, "an answer")
        before = [(one.number, one.keyboard) for one in bot.shown]
        bot.faults.append(Fault("sendPhoto", "swallow", times=2))
        room.take(1, first=1)
        await eventually_async(room.settled, within=120)
    assert [(one.number, one.keyboard) for one in bot.shown][: len(before)] == before
    assert len(bot.alerts_in(PERSON)) == len(bot.alerts_in(GROUP)) == 2


async def test_a_kill_between_two_notes_doubles_nothing(bot: BotServer, tmp_path: Path) -> None:
    """The channel knew that it arrived, the outbox did not yet: it is not sent again."""
    async with running(tmp_path, bot, [PERSON]) as room:
        room.take(1)
        await eventually_async(room.settled, within=60)
        room.database.connection.execute("UPDATE messages SET state = 'sending'")
    async with running(tmp_path, bot, [PERSON]) as room:
        assert room.outbox.states() == {"unsure": 1}
        await eventually_async(room.settled, within=60)
        assert room.outbox.states() == {"sent": 1}
    assert len(bot.alerts_in(PERSON)) == 1


async def test_retry_after_is_obeyed(bot: BotServer, tmp_path: Path) -> None:
    """After a 429 the chat is left alone for as long as Telegram says, across a restart."""
    async with running(tmp_path, bot, [PERSON]) as room:
        room.take(1)
        await eventually_async(room.settled, within=60)
        bot.faults.append(Fault("sendPhoto", "429", retry_after=3))
        room.take(1, first=1)

        async def refused() -> bool:
            return bool(room.chats.blocks(now_ms()))

        await eventually_async(refused, within=10)
        asked = time.time()
        await eventually_async(room.settled, within=60)
    assert bot.alerts_in(PERSON)[-1].at - asked > 2.5


async def test_telegrams_own_limits_are_never_met(bot: BotServer, tmp_path: Path) -> None:
    """The queue is slower than the server allows: it never has to answer 429."""
    people = [str(number) for number in range(1, 9)]
    bot.chats |= set(people)
    async with running(tmp_path, bot, people) as room:
        room.pictures.broken = True
        room.take(3)
        await eventually_async(room.settled, within=90)
    assert bot.limited == 0
    assert all(len(bot.alerts_in(chat)) == 3 for chat in people)


@pytest.mark.parametrize(("chat", "reason"), [("4711", "blocked"), ("4712", "chat_not_found")])
async def test_a_chat_that_is_gone_holds_up_nobody(
    bot: BotServer, tmp_path: Path, chat: str, reason: str
) -> None:
    """Its alerts are dropped with the reason; the others' arrive."""
    bot.blocked.add(PERSON)
    async with running(tmp_path, bot, [chat, GROUP]) as room:
        room.take(2)
        await eventually_async(room.settled, within=60)
        told = {one.reason for one in room.outbox.receipts(10) if one.target.chat == chat}
    assert told == {reason}
    assert len(bot.alerts_in(GROUP)) == 2


async def test_what_telegram_cannot_read_goes_out_plain(bot: BotServer, tmp_path: Path) -> None:
    """A picture or markup that is refused costs the ornament, not the alert."""
    async with running(tmp_path, bot, [PERSON]) as room:
        bot.faults.append(Fault("sendPhoto", "400", times=1))
        room.take(1)
        await eventually_async(room.settled, within=60)
    (told,) = bot.alerts_in(PERSON)
    assert not told.photo
    assert "S0USDT price jump" in told.text


async def test_hostile_words_are_shown_as_they_are(bot: BotServer, tmp_path: Path) -> None:
    """Markup in an alert is text, and a long one is cut to what Telegram takes."""
    words = '<b>&lt;script> "quoted" ' + "𝄞<&>" * 2_000
    async with running(tmp_path, bot, [PERSON]) as room:
        room.take(1, message=words)
        await eventually_async(room.settled, within=60)
    (told,) = bot.alerts_in(PERSON)
    assert '<b>&lt;script> "quoted" 𝄞<&>' in told.text
    assert told.photo


async def test_the_token_is_in_no_log(bot: BotServer, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever fails, and though the server quotes the URL: neither in a line nor a trace."""
    caplog.set_level(logging.DEBUG)
    for noisy in ("httpx", "httpcore"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    for kind in ("500", "400", "403", "401", "429", "garbage", "html", "drop", "swallow"):
        bot.faults.append(Fault("sendMessage", kind))
    async with httpx.AsyncClient(trust_env=False) as client:
        api = BotApi(bot.url, SecretStr(TOKEN), client)
        dead = BotApi("http://127.0.0.1:9", SecretStr(TOKEN), client)
        for caller in [api] * 9 + [dead]:
            try:
                await caller.call("sendMessage", dict, {"chat_id": 1, "text": "x"})
            except Exception:
                logging.getLogger("test").exception("failed", stack_info=True)
    assert caplog.text.count("BotError") >= 10
    assert TOKEN not in caplog.text
    assert TOKEN not in json.dumps([record.__dict__ for record in caplog.records], default=repr)
