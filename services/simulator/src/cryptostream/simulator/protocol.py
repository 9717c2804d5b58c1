"""Bybit's public spot WebSocket, as a pure function from a request to its answer.

The shapes follow Bybit's documentation and recorded sessions: spot answers `ret_msg`
"subscribe" or "unsubscribe", leaves `req_id` out when the request had none, and refuses a whole
request for one bad topic. What it says to requests that no recording shows is marked below.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import msgspec

from cryptostream.simulator.frames import TOPIC_PREFIX

if TYPE_CHECKING:
    from collections.abc import Container

#: Longer requests are refused by the socket; ten topics and a request id stay far below.
MAX_REQUEST_BYTES: Final = 64 * 1024
MAX_REQ_ID_CHARS: Final = 256


@dataclass(frozen=True, slots=True)
class Limits:
    """What a connection may ask for; 0 lifts a limit.

    Attributes:
        args: topics of one request; spot takes ten, the other categories take more.
        topic_chars: total length of a connection's topics.
    """

    args: int = 10
    topic_chars: int = 21_000


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """The request is refused with this `ret_msg`."""


@dataclass(slots=True)
class Session:
    """What the exchange knows of one connection."""

    conn_id: str
    limits: Limits = Limits()
    topics: dict[str, None] = field(default_factory=dict)

    @property
    def topic_chars(self) -> int:
        """Total length of the subscribed topics."""
        return sum(map(len, self.topics))

    def undo(self, answer: Answer) -> None:
        """Forget what an answer changed."""
        for topic in answer.added:
            self.topics.pop(topic, None)
        self.topics.update(dict.fromkeys(answer.removed))


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back to which operation, and the topics that it added or took away."""

    text: str
    op: str = ""
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


def answer(raw: str | bytes, session: Session, symbols: Container[str]) -> Answer:
    """Answer one request and bring the session's topics up to date; never raises."""
    op, req_id = "", ""
    try:
        request = _parse(raw)
        req_id = _req_id(request)
        op = _op(request)
        if op == "ping":
            return Answer(_reply(session, op, req_id, "pong", success=True), op)
        topics = _topics(request, session.limits.args)
        if op == "subscribe":
            return _subscribe(session, topics, req_id, symbols)
        return _unsubscribe(session, topics, req_id, symbols)
    except Refused as refusal:
        return Answer(_reply(session, op, req_id, str(refusal), success=False), op)


def _parse(raw: str | bytes) -> dict[str, Any]:
    """Read a JSON object; the wording of the refusal is Bybit's, its detail ours."""
    try:
        request = msgspec.json.decode(raw)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise Refused(f"Failed to decode incoming data:{str(error)[:200]}") from error
    if not isinstance(request, dict):
        raise Refused("Failed to decode incoming data:not an object")
    return request


def _req_id(request: dict[str, Any]) -> str:
    """Give the request id as text; numbers are accepted, as clients in use send them."""
    req_id = request.get("req_id", "")
    if isinstance(req_id, bool) or not isinstance(req_id, str | int):
        raise Refused("Failed to decode incoming data:req_id is no string")
    if len(str(req_id)) > MAX_REQ_ID_CHARS:
        raise Refused("Failed to decode incoming data:req_id too long")
    return str(req_id)


def _op(request: dict[str, Any]) -> str:
    """Give a known operation; no recording shows Bybit's words for another one."""
    op = request.get("op")
    if not isinstance(op, str) or op not in {"subscribe", "unsubscribe", "ping"}:
        raise Refused(f"error:unknown op:{str(op)[:50]}")
    return op


def _topics(request: dict[str, Any], most: int) -> list[str]:
    """Give the request's topics, at least one and at most so many, if there is a limit."""
    args = request.get("args")
    if not isinstance(args, list) or not all(isinstance(arg, str) for arg in args):
        raise Refused("Failed to decode incoming data:args is no list of strings")
    if not args:
        raise Refused("args size <1")
    if 0 < most < len(args):
        raise Refused(f"args size >{most}")
    return args


def _subscribe(session: Session, topics: list[str], req_id: str, symbols: Container[str]) -> Answer:
    _check_known(topics, symbols)
    added: dict[str, None] = {}
    for topic in topics:
        if topic in session.topics or topic in added:
            raise Refused(f"error:already subscribed,topic:{topic}")
        added[topic] = None
    most = session.limits.topic_chars
    if 0 < most < session.topic_chars + sum(map(len, added)):
        raise Refused(f"args length >{most}")
    session.topics.update(added)
    text = _reply(session, "subscribe", req_id, "subscribe", success=True)
    return Answer(text, "subscribe", added=tuple(added))


def _unsubscribe(
    session: Session, topics: list[str], req_id: str, symbols: Container[str]
) -> Answer:
    """Take topics away; one that wasn't subscribed is no error, nor one delisted since."""
    _check_known([topic for topic in topics if topic not in session.topics], symbols)
    removed = tuple(topic for topic in dict.fromkeys(topics) if topic in session.topics)
    for topic in removed:
        del session.topics[topic]
    text = _reply(session, "unsubscribe", req_id, "unsubscribe", success=True)
    return Answer(text, "unsubscribe", removed=removed)


def _check_known(topics: list[str], symbols: Container[str]) -> None:
    """Refuse topics of other kinds and of symbols that aren't traded."""
    for topic in topics:
        if not topic.startswith(TOPIC_PREFIX):
            raise Refused(f"error:handler not found,topic:{topic[:200]}")
        if topic.removeprefix(TOPIC_PREFIX) not in symbols:
            raise Refused(f"Invalid symbol :[{topic[:200]}]")


def _reply(session: Session, op: str, req_id: str, ret_msg: str, *, success: bool) -> str:
    """Render an answer with Bybit's key order."""
    body: dict[str, Any] = {"success": success, "ret_msg": ret_msg, "conn_id": session.conn_id}
    if req_id:
        body["req_id"] = req_id
    body["op"] = op
    return msgspec.json.encode(body).decode()
