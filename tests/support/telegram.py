"""A server that speaks Telegram's Bot API, with its limits, its refusals and its bad days.

What it does follows https://core.telegram.org/bots/api: `ok`/`result` or `error_code`,
`description` and `parameters`; `getUpdates` waits, and an offset confirms what is below it;
private chats share one numbering of messages, a supergroup has its own; a message takes 4,096
characters and a caption 1,024, counted without the tags; a keyboard that is already there is
refused with `message is not modified`.
"""

from __future__ import annotations

import asyncio
import html
import json
import re
import time
from collections import defaultdict, deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

TOKEN: Final = "7100000001:AAExampleExampleExampleExampleExam_x"
BOT: Final = "cryptostream_test_bot"
_TAG: Final = re.compile(r"</?(?:b|i|a|code|pre)(?: [^<>]*)?>")
_PNG: Final = b"\x89PNG\r\n\x1a\n"


@dataclass
class Shown:
    """A message as a person sees it in a chat."""

    chat: str
    number: int
    text: str
    photo: bytes = b""
    keyboard: Any = None
    at: float = 0.0

    @property
    def key(self) -> str:
        """The key in the button's data; empty without a keyboard."""
        rows = (self.keyboard or {}).get("inline_keyboard", [])
        return str(rows[0][0]["callback_data"]) if rows else ""


@dataclass
class Fault:
    """What happens to calls of a method, so many times.

    `kind`: `429`, `403`, `400`, `401`, `500` answer so; `garbage` answers no JSON; `html` answers
    as a proxy does; `swallow` does the work and closes the connection without an answer; `hang`
    does the work and answers never; `drop` closes the connection before the work.
    """

    method: str
    kind: str
    times: int = 1
    chat: str = ""
    retry_after: int = 1


@dataclass
class BotServer:
    """The server's world: chats, updates and faults. Use it from any thread."""

    chats: set[str] = field(default_factory=set)
    blocked: set[str] = field(default_factory=set)
    enforce_limits: bool = True
    shown: list[Shown] = field(default_factory=list)
    calls: list[tuple[float, str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    limited: int = 0
    url: str = ""
    _updates: deque[dict[str, Any]] = field(default_factory=deque)
    _tops: defaultdict[str, int] = field(default_factory=lambda: defaultdict(lambda: 4_000))
    _foreign: set[tuple[str, int]] = field(default_factory=set)
    _next_update: int = 900_000
    _sent: defaultdict[str, deque[float]] = field(
        default_factory=lambda: defaultdict(lambda: deque(maxlen=40))
    )

    # -- what a test does and sees

    def write(self, chat: str, text: str) -> int:
        """Let a person write to the bot; give the message's number."""
        number = self._number(chat)
        self._foreign.add((chat, number))
        message = {
            "message_id": number,
            "date": int(time.time()),
            "chat": {"id": int(chat), "type": "private"},
            "from": {"id": abs(int(chat)), "is_bot": False, "first_name": "A"},
            "text": text,
        }
        self._update({"message": message})
        return number

    def press(self, shown: Shown) -> None:
        """Let a person press a message's button."""
        message = {
            "message_id": shown.number,
            "date": int(time.time()),
            "chat": {"id": int(shown.chat)},
        }
        self._update(
            {"callback_query": {"id": f"q{shown.number}", "data": shown.key, "message": message}}
        )

    def raw_update(self, update: dict[str, Any]) -> None:
        """Put an update of any shape into the queue."""
        self._update(update)

    def in_chat(self, chat: str) -> list[Shown]:
        """Give what a chat shows."""
        return [one for one in self.shown if one.chat == chat]

    def alerts_in(self, chat: str) -> list[Shown]:
        """Give what a chat shows with a button: alerts and digests, no answers."""
        return [one for one in self.in_chat(chat) if one.key]

    def count(self, method: str) -> int:
        """Count the calls of a method."""
        return sum(name == method for _, name, _ in self.calls)

    # -- the protocol

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        if request.match_info["token"] != TOKEN:
            return _refused(401, "Unauthorized")
        name, parameters = request.match_info["method"], await _parameters(request)
        chat = str(parameters.get("chat_id", ""))
        self.calls.append((time.time(), name, chat))
        fault = self._fault(name, chat)
        if fault is not None and (answer := _early(fault, request)) is not None:
            return answer
        method: Callable[[dict[str, Any]], Awaitable[web.Response]] | None
        method = getattr(self, f"_do_{name.lower()}", None)
        if method is None:
            return _refused(404, "Not Found: method not found")
        answer = await method(parameters)
        if fault is not None and fault.kind == "hang":
            while request.transport is not None and not request.transport.is_closing():  # noqa: ASYNC110 (no event)
                await asyncio.sleep(0.05)
        if fault is not None and request.transport is not None:
            request.transport.abort()
        return answer

    def _fault(self, name: str, chat: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.method == name and fault.chat in {"", chat}:
                fault.times -= 1
                return fault
        return None

    async def _do_getme(self, _parameters: dict[str, Any]) -> web.Response:
        return _done({"id": 7100000001, "is_bot": True, "first_name": "c", "username": BOT})

    async def _do_setmycommands(self, parameters: dict[str, Any]) -> web.Response:
        for one in parameters["commands"]:
            if (
                not re.fullmatch(r"[a-z0-9_]{1,32}", one["command"])
                or not 1 <= len(one["description"]) <= 256
            ):
                return _refused(400, "Bad Request: BOT_COMMAND_INVALID")
        return _done(result=True)

    async def _do_getupdates(self, parameters: dict[str, Any]) -> web.Response:
        offset = int(parameters.get("offset", 0))
        deadline = time.monotonic() + min(50, int(parameters.get("timeout", 0)))
        while True:
            while self._updates and self._updates[0].get("update_id", 0) < offset:
                self._updates.popleft()
            if self._updates or time.monotonic() >= deadline:
                return _done(list(self._updates)[:100])
            await asyncio.sleep(0.02)

    async def _do_sendmessage(self, parameters: dict[str, Any]) -> web.Response:
        text = str(parameters.get("text", ""))
        return self._show(parameters, text, 4_096, "message is too long")

    async def _do_sendphoto(self, parameters: dict[str, Any]) -> web.Response:
        photo = parameters.get("photo", b"")
        if not isinstance(photo, bytes) or not photo.startswith(_PNG):
            return _refused(400, "Bad Request: IMAGE_PROCESS_FAILED")
        text = str(parameters.get("caption", ""))
        return self._show(parameters, text, 1_024, "message caption is too long", photo)

    def _show(
        self, parameters: dict[str, Any], text: str, limit: int, long: str, photo: bytes = b""
    ) -> web.Response:
        chat = str(parameters["chat_id"])
        plain = text
        if parameters.get("parse_mode") == "HTML":
            plain = html.unescape(_TAG.sub("", text))
            if "<" in _TAG.sub("", text) or text.count("<b>") != text.count("</b>"):
                return _refused(400, "Bad Request: can't parse entities: Unsupported start tag")
        refusal = self._refusal(chat, plain, limit, long, photo)
        if refusal is not None:
            return refusal
        shown = Shown(
            chat, self._number(chat), plain, photo, parameters.get("reply_markup"), time.time()
        )
        self.shown.append(shown)
        return _done(
            {
                "message_id": shown.number,
                "date": int(shown.at),
                "chat": {"id": int(chat)},
                "text": plain,
            }
        )

    def _refusal(
        self, chat: str, plain: str, limit: int, long: str, photo: bytes
    ) -> web.Response | None:
        if chat in self.blocked:
            return _refused(403, "Forbidden: bot was blocked by the user")
        if chat not in self.chats:
            return _refused(400, "Bad Request: chat not found")
        if len(plain.encode("utf-16-le")) // 2 > limit:
            return _refused(400, f"Bad Request: {long}")
        if not plain.strip() and not photo:
            return _refused(400, "Bad Request: message text is empty")
        return self._flood(chat) if self.enforce_limits else None

    def _flood(self, chat: str) -> web.Response | None:
        """Keep the limits that the FAQ names: 30 a second, one a second a chat, 20 a minute."""
        now, mine, everyone = time.time(), self._sent[chat], self._sent[""]
        in_second = sum(at > now - 0.97 for at in mine)
        in_minute = sum(at > now - 59 for at in mine) if chat.startswith("-") else 0
        if in_second or in_minute >= 20 or sum(at > now - 0.97 for at in everyone) >= 30:
            self.limited += 1
            return _refused(429, "Too Many Requests: retry after 1", {"retry_after": 1})
        mine.append(now)
        everyone.append(now)
        return None

    async def _do_editmessagereplymarkup(self, parameters: dict[str, Any]) -> web.Response:
        chat, number = str(parameters["chat_id"]), int(parameters["message_id"])
        if (chat, number) in self._foreign:
            return _refused(400, "Bad Request: message can't be edited")
        found = [one for one in self.shown if (one.chat, one.number) == (chat, number)]
        if not found:
            return _refused(400, "Bad Request: message to edit not found")
        markup = parameters.get("reply_markup")
        if found[0].keyboard == markup:
            return _refused(
                400,
                "Bad Request: message is not modified: specified new message content and reply "
                "markup are exactly the same as a current content and reply markup of the message",
            )
        found[0].keyboard = markup
        return _done({"message_id": number, "date": 0, "chat": {"id": int(chat)}})

    async def _do_answercallbackquery(self, parameters: dict[str, Any]) -> web.Response:
        self.calls.append((time.time(), "answered", str(parameters.get("text", ""))))
        return _done(result=True)

    def _number(self, chat: str) -> int:
        mailbox = chat if chat.startswith("-100") else "account"
        self._tops[mailbox] += 1
        return self._tops[mailbox]

    def _update(self, content: dict[str, Any]) -> None:
        self._next_update += 1
        self._updates.append({"update_id": self._next_update, **content})


def _done(result: Any) -> web.Response:
    return web.json_response({"ok": True, "result": result})


def _refused(code: int, description: str, parameters: dict[str, Any] | None = None) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": code, "description": description}
    return web.json_response(body | ({"parameters": parameters} if parameters else {}), status=code)


def _early(fault: Fault, request: web.Request) -> web.StreamResponse | None:
    """Answer without doing the work; None if the work is to be done."""
    if fault.kind == "429":
        said = f"Too Many Requests: retry after {fault.retry_after}"
        return _refused(429, said, {"retry_after": fault.retry_after})
    if fault.kind.isdecimal():
        # A description may quote what was asked for; a careless log would show it.
        return _refused(int(fault.kind), f"Trouble at {request.path}")
    if fault.kind == "garbage":
        return web.Response(text='{"ok": tru')
    if fault.kind == "html":
        return web.Response(
            text=f"<html>502 {request.url}</html>", status=502, content_type="text/html"
        )
    if fault.kind == "drop" and request.transport is not None:
        request.transport.abort()
        return web.Response()
    return None


async def _parameters(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    found: dict[str, Any] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            found[name] = value.file.read()
        else:
            found[name] = json.loads(value) if value[:1] in {"{", "["} else value
    return found


@asynccontextmanager
async def serving(server: BotServer) -> AsyncIterator[BotServer]:
    """Serve on a free port of this machine, in the running loop."""
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_route("*", "/bot{token}/{method}", server.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.url = "http://{}:{}".format(*runner.addresses[0][:2])
    try:
        yield server
    finally:
        await runner.cleanup()


def serving_in_thread(server: BotServer) -> Iterator[BotServer]:
    """Serve from a thread of its own, for tests that wait without a loop."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    up: list[bool] = []

    async def serve() -> None:
        async with serving(server):
            up.append(True)
            await stop.wait()

    thread = Thread(target=loop.run_until_complete, args=(serve(),), daemon=True)
    thread.start()
    deadline = time.monotonic() + 10
    while not up:
        assert time.monotonic() < deadline, "the Bot API server did not start"
        time.sleep(0.01)
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()
