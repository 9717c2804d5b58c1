"""Bybit's public v5 WebSocket, as far as a reader of trades needs it. Pure.

The facts are from Bybit's documentation of `wss://stream.bybit.com/v5/public/spot`
(https://bybit-exchange.github.io/docs/v5/ws/connect) and from recorded frames.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

import msgspec

from cryptostream.contracts.errors import ContractError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

#: Spot refuses a request with more (`args size >10`).
MAX_ARGS_PER_REQUEST: Final = 10
#: All the topics of one connection together may have 21,000 characters; some room is left.
MAX_TOPIC_CHARS_PER_CONNECTION: Final = 20_000
#: Bybit recommends a ping each 20 s.
PING_INTERVAL_SECONDS: Final = 20.0
#: 1,024 trades, the documented maximum of a frame, are about 142 kB.
MAX_FRAME_BYTES: Final = 1024 * 1024

_TOPIC: Final = "publicTrade."
_TRADES_START: Final = b'{"topic":"publicTrade.'


class Signal(Enum):
    """Frames whose kind says it all; the trades of a `TRADES` frame are read by `parse`."""

    TRADES = "trades"
    PONG = "pong"


class Ack(msgspec.Struct, frozen=True):
    """The answer to a (un)subscribe request; it names no topic, only the request's `req_id`."""

    req_id: str
    success: bool
    ret_msg: str


class Refusal(Enum):
    """Why a topic was refused, as far as it changes what to do."""

    DUPLICATE = "duplicate"
    BAD_TOPIC = "bad_topic"
    OTHER = "other"


class _Envelope(msgspec.Struct, gc=False):
    topic: str = ""
    op: str = ""
    success: bool | None = None
    ret_msg: str = ""
    req_id: str | int = ""


_ENVELOPE: Final = msgspec.json.Decoder(_Envelope)


def topic_of(symbol: str) -> str:
    """Name the topic of a symbol's trades."""
    return f"{_TOPIC}{symbol}"


def symbol_of(topic: str) -> str:
    """Give the symbol of a trades topic; raises `ContractError` for another topic."""
    if not topic.startswith(_TOPIC):
        raise ContractError("unknown_topic", f"frame.topic was {topic[:80]!r}")
    return topic.removeprefix(_TOPIC)


def in_chunks(topics: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut the topics into what one request may carry."""
    for start in range(0, len(topics), MAX_ARGS_PER_REQUEST):
        yield topics[start : start + MAX_ARGS_PER_REQUEST]


def per_connection(topics: Iterable[str], present: Sequence[Sequence[str]] = ()) -> list[list[str]]:
    """Spread the topics over as few connections as the limit on their length allows.

    Topics of `present` connections stay where they are, new ones go where there is room; a
    connection that loses all its topics keeps its place, empty, so that the others keep theirs.
    """
    wanted = dict.fromkeys(topics)
    groups = [[topic for topic in group if topic in wanted] for group in present]
    placed = {topic for group in groups for topic in group}
    rooms = [MAX_TOPIC_CHARS_PER_CONNECTION - sum(map(len, group)) for group in groups]
    first = 0
    for topic in wanted:
        if topic in placed:
            continue
        while first < len(groups) and len(topic) > rooms[first]:
            first += 1
        if first == len(groups):
            groups.append([])
            rooms.append(MAX_TOPIC_CHARS_PER_CONNECTION)
        groups[first].append(topic)
        rooms[first] -= len(topic)
    return groups


def subscribe_request(req_id: str, topics: Sequence[str]) -> bytes:
    """Render a subscribe request; raises `ValueError` above `MAX_ARGS_PER_REQUEST` topics."""
    return _request(req_id, "subscribe", topics)


def unsubscribe_request(req_id: str, topics: Sequence[str]) -> bytes:
    """Render an unsubscribe request; raises `ValueError` above `MAX_ARGS_PER_REQUEST` topics."""
    return _request(req_id, "unsubscribe", topics)


def _request(req_id: str, op: str, topics: Sequence[str]) -> bytes:
    if not 0 < len(topics) <= MAX_ARGS_PER_REQUEST:
        raise ValueError(f"a request takes 1 to {MAX_ARGS_PER_REQUEST} topics, got {len(topics)}")
    return msgspec.json.encode({"req_id": req_id, "op": op, "args": topics})


def ping_request(req_id: str) -> bytes:
    """Render the application-level ping."""
    return msgspec.json.encode({"req_id": req_id, "op": "ping"})


def classify_frame(raw: bytes) -> Signal | Ack:
    """Tell what a frame is; raises `ContractError` for one that is nothing we know."""
    if len(raw) > MAX_FRAME_BYTES:
        raise ContractError("frame_too_large", f"frame had {len(raw)} bytes")
    if raw.startswith(_TRADES_START):
        return Signal.TRADES
    try:
        frame = _ENVELOPE.decode(raw)
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise ContractError("bad_frame", str(error)[:200]) from error
    if frame.topic.startswith(_TOPIC):
        return Signal.TRADES
    if frame.op == "pong" or (frame.op == "ping" and frame.ret_msg == "pong"):
        return Signal.PONG
    if frame.success is not None:
        return Ack(str(frame.req_id), frame.success, frame.ret_msg)
    raise ContractError("unknown_frame", f"frame had topic {frame.topic[:80]!r}, op {frame.op!r}")


def refusal(ret_msg: str) -> Refusal:
    """Read the reason of a refused subscription off its message.

    Spot says `Invalid symbol :[publicTrade.NOPE]`, derivatives say `error:handler not
    found,topic:publicTrade.NOPE`, both say `error:already subscribed,topic:...`.
    """
    text = ret_msg.lower()
    if "already subscribed" in text:
        return Refusal.DUPLICATE
    if "invalid symbol" in text or "handler not found" in text:
        return Refusal.BAD_TOPIC
    return Refusal.OTHER
