"""A feed against an exchange that misbehaves, into a real Kafka."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from support.eventually import eventually_async
from support.exchange import Answer, FakeExchange, obey, trades_frame
from support.kafka_topics import TopicReader, new_topic
from support.servers import free_ports
from support.tcp import forwarder
from support.witness import Witness

from cryptostream.contracts.messages import DeadLetter, decode
from cryptostream.contracts.topics import DEAD_LETTERS
from cryptostream.contracts.trade import decode_trade
from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.budget import Budget
from cryptostream.ingest.connection import Feed, FeedOptions
from cryptostream.ingest.liveness import Limits
from cryptostream.ingest.metrics import Metrics
from cryptostream.ingest.parse import Source
from cryptostream.ingest.protocol import MAX_FRAME_BYTES, topic_of
from cryptostream.ingest.silence import SilenceLimits
from cryptostream.ingest.sink import KafkaSink

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

SYMBOLS = [f"S{number}USDT" for number in range(25)]
#: Long beside a loaded machine's hiccups, short beside a person's patience.
QUICK = Limits(silence=1.5, pong=1.5, ack=1.5)
PATIENT = Limits(silence=60.0, pong=60.0, ack=60.0)
NEVER_SILENT = SilenceLimits(known_seconds=3600.0)
#: Learns and judges within seconds.
SOON_SILENT = SilenceLimits(least=1.5, known_seconds=2.0, known_frames=5)
WITHIN = 20.0


@dataclass
class Rig:
    """A running feed and what it works on."""

    feed: Feed
    sink: KafkaSink
    metrics: Metrics
    reader: TopicReader
    observer: Witness
    task: asyncio.Task[None]

    def reconnects(self, cause: str) -> float:
        """Count the connections given up for this cause."""
        return float(self.metrics.reconnects.labels(cause)._value.get())

    def ids(self) -> list[str]:
        """Give the ids of the trades in Kafka so far."""
        return [decode_trade(m.value() or b"").trade_id for m in self.reader.read()]

    async def arrived(self, ids: Sequence[str]) -> None:
        """Wait until Kafka holds exactly these trades, once each."""
        await eventually_async(lambda: _is(sorted(self.ids()), sorted(ids)), within=WITHIN)

    async def ready(self) -> None:
        """Wait until the feed says that it is ready."""
        await eventually_async(lambda: _is(self.feed.ready, True), within=WITHIN)  # noqa: FBT003


async def _is(one: object, other: object) -> bool:
    return one == other


@asynccontextmanager
async def running(
    url: str,
    bootstrap: str,
    *,
    symbols: Sequence[str] = ("BTCUSDT",),
    limits: Limits = PATIENT,
    through: str = "",
    config: dict[str, str | int | bool] | None = None,
    silence: SilenceLimits = NEVER_SILENT,
) -> AsyncIterator[Rig]:
    """Run a feed with a topic of its own; `through` is another address of the same Kafka."""
    topic = new_topic(bootstrap)
    metrics, observer = Metrics(), Witness()
    sink = KafkaSink(through or bootstrap, topic, metrics, client_id="test", config=config)
    feed = Feed(
        FeedOptions(url, limits, ping_seconds=0.3, connect_seconds=1.5, silence=silence),
        [topic_of(symbol) for symbol in symbols],
        source=Source("bybit", "spot", "0/1"),
        sink=sink,
        metrics=metrics,
        backoff=Backoff(Random(1), base=0.2, cap=0.3),
        name="a0",
        observer=observer,
        budget=Budget(forbidden=0.2, forbidden_cap=0.5),
    )
    reader = TopicReader(bootstrap, topic)
    tasks = [asyncio.create_task(feed.run()), asyncio.create_task(sink.run())]
    try:
        yield Rig(feed, sink, metrics, reader, observer, tasks[0])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        reader.close()


async def test_trades_reach_kafka_keyed_by_symbol(kafka_bootstrap: str) -> None:
    """What the exchange pushes is in Kafka once, in order, with the symbol as its key."""
    ids = [f"t{number}" for number in range(100)]
    async with FakeExchange() as exchange, running(exchange.url, kafka_bootstrap) as rig:
        await rig.ready()
        for start in range(0, 100, 10):
            await exchange.push(trades_frame("BTCUSDT", ids[start : start + 10]))
        await rig.arrived(ids)
        assert rig.ids() == ids
        assert {message.key() for message in rig.reader.messages} == {b"BTCUSDT"}
        # The reports of delivery come after the messages.
        await eventually_async(lambda: _is(rig.metrics.delivered._value.get(), 100), within=WITHIN)


async def test_topics_are_asked_for_in_tens_and_all_granted(kafka_bootstrap: str) -> None:
    """25 topics are three requests with ids of their own; only then the feed is ready."""
    async with (
        FakeExchange() as exchange,
        running(exchange.url, kafka_bootstrap, symbols=SYMBOLS) as rig,
    ):
        await rig.ready()
        requests = exchange.asked("subscribe")
        assert [len(request["args"]) for request in requests] == [10, 10, 5]
        assert len({request["req_id"] for request in requests}) == 3
        assert rig.feed.subscribed == 25


async def test_a_refused_symbol_harms_no_other(kafka_bootstrap: str) -> None:
    """The bad topic is singled out on the same connection, remembered, and not asked again."""
    bad = topic_of(SYMBOLS[13])

    def refuse(request: dict[str, Any]) -> Answer:
        if bad in request.get("args", ()):
            return obey(request) | {"success": False, "ret_msg": f"Invalid symbol :[{bad}]"}
        return obey(request)

    async with (
        FakeExchange(refuse) as exchange,
        running(exchange.url, kafka_bootstrap, symbols=SYMBOLS) as rig,
    ):
        await rig.ready()
        assert (rig.feed.subscribed, list(rig.feed.refused)) == (24, [bad])
        assert exchange.accepted == 1
        before = len(exchange.requests)
        await exchange.drop()
        await eventually_async(lambda: _is(exchange.accepted, 2), within=WITHIN)
        await rig.ready()
        asked = [t for request in exchange.requests[before:] for t in request.get("args", ())]
        assert bad not in asked
        assert len(asked) == 24


async def test_a_feed_whose_topics_are_all_unknown_is_not_ready(kafka_bootstrap: str) -> None:
    """Nothing to read is no silent idle: told, counted, and not taken for well."""

    def refuse(request: dict[str, Any]) -> Answer:
        answer = obey(request)
        if request["op"] == "subscribe":
            answer |= {"success": False, "ret_msg": "Invalid symbol :[x]"}
        return answer

    async with FakeExchange(refuse) as exchange, running(exchange.url, kafka_bootstrap) as rig:
        await eventually_async(lambda: _is(len(rig.feed.refused), 1), within=WITHIN)
        assert not rig.feed.ready
        assert rig.metrics.refusals._value.get() == 1
        assert [call[:2] for call in rig.observer.of("refused")] == [("BTCUSDT", "a0")]
        assert exchange.accepted == 1


async def test_topics_change_on_an_open_connection(kafka_bootstrap: str) -> None:
    """Those that stay are not touched: one connection, no second request for them."""
    async with (
        FakeExchange() as exchange,
        running(exchange.url, kafka_bootstrap, symbols=SYMBOLS[:12]) as rig,
    ):
        await rig.ready()
        rig.feed.want([topic_of(symbol) for symbol in SYMBOLS[2:]])
        await eventually_async(lambda: _is(rig.feed.subscribed, 23), within=WITHIN)
        (left,) = exchange.asked("unsubscribe")
        assert set(left["args"]) == {topic_of(symbol) for symbol in SYMBOLS[:2]}
        added = [len(request["args"]) for request in exchange.asked("subscribe")[2:]]
        assert added == [10, 3]
        await rig.ready()
        assert exchange.accepted == 1
        assert [call[:2] for call in rig.observer.of("given_up")] == [(sorted(SYMBOLS[:2]), "a0")]
        granted = [name for call in rig.observer.of("subscribed") for name in call[0]]
        assert sorted(granted) == sorted(SYMBOLS)


async def test_an_unsubscription_without_an_answer_ends_the_connection(
    kafka_bootstrap: str,
) -> None:
    """It has the deadline that a subscription has."""

    def mumble(request: dict[str, Any]) -> Answer:
        return None if request["op"] == "unsubscribe" else obey(request)

    limits = Limits(silence=60.0, pong=60.0, ack=1.0)
    async with (
        FakeExchange(mumble) as exchange,
        running(exchange.url, kafka_bootstrap, symbols=SYMBOLS[:2], limits=limits) as rig,
    ):
        await rig.ready()
        rig.feed.want([topic_of(SYMBOLS[0])])
        await eventually_async(
            lambda: _is(rig.reconnects("unacknowledged") > 0, True),  # noqa: FBT003
            within=WITHIN,
        )
        await rig.ready()
        assert rig.feed.subscribed == 1


async def test_a_silent_topic_is_subscribed_again(kafka_bootstrap: str) -> None:
    """Found beside a lively one, told, and healed on the same connection."""
    silent = SYMBOLS[0]
    async with (
        FakeExchange() as exchange,
        running(exchange.url, kafka_bootstrap, symbols=SYMBOLS[:2], silence=SOON_SILENT) as rig,
    ):
        await rig.ready()
        until = time.monotonic() + 4.0

        async def found() -> bool:
            await exchange.push(trades_frame(SYMBOLS[1], ["a"]))
            if time.monotonic() < until:
                await exchange.push(trades_frame(silent, ["b"]))
            return bool(rig.observer.of("silent")) and len(exchange.asked("subscribe")) > 1

        await eventually_async(found, within=WITHIN)
        assert [request["args"] for request in exchange.asked("unsubscribe")] == [
            [topic_of(silent)]
        ]
        assert exchange.asked("subscribe")[1]["args"] == [topic_of(silent)]
        (told,) = rig.observer.of("silent")
        assert told[:2] == (silent, "a0")
        await rig.ready()
        assert exchange.accepted == 1


async def test_several_silent_topics_cost_the_connection(kafka_bootstrap: str) -> None:
    """What befalls both symbols at once is no matter of one topic."""
    async with (
        FakeExchange() as exchange,
        running(exchange.url, kafka_bootstrap, symbols=SYMBOLS[:2], silence=SOON_SILENT) as rig,
    ):
        await rig.ready()
        until = time.monotonic() + 4.0

        async def lost() -> bool:
            if time.monotonic() < until:
                for symbol in SYMBOLS[:2]:
                    await exchange.push(trades_frame(symbol, ["a"]))
            return rig.reconnects("symbols_silent") > 0

        await eventually_async(lost, within=WITHIN)
        await rig.ready()
        (told,) = rig.observer.of("lost")
        assert (told[0], told[3]) == (sorted(SYMBOLS[:2]), "symbols_silent")
        assert exchange.accepted == 2


async def test_a_name_that_is_not_found_is_looked_up_again(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While DNS fails the feed goes on asking, within its back-off, and comes back by itself."""
    look_up, found = socket.getaddrinfo, True

    def resolve(host: Any, *rest: Any, **named: Any) -> Any:
        if host != "exchange.test":
            return look_up(host, *rest, **named)
        if not found:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return look_up("127.0.0.1", *rest, **named)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    async with FakeExchange() as exchange:
        url = exchange.url.replace("127.0.0.1", "exchange.test")
        async with running(url, kafka_bootstrap) as rig:
            await rig.ready()
            found = False
            await exchange.drop()
            await eventually_async(
                lambda: _is(rig.reconnects("connect_failed") >= 3, True),  # noqa: FBT003
                within=WITHIN,
            )
            assert not rig.feed.ready
            found = True
            await rig.ready()
            await exchange.push(trades_frame("BTCUSDT", ["after"]))
            await rig.arrived(["after"])


@pytest.mark.parametrize(
    ("mute", "cause"),
    [
        ({"subscribe"}, "unacknowledged"),
        ({"ping"}, "pong_missing"),
    ],
)
async def test_missing_answers_end_the_connection(
    kafka_bootstrap: str, mute: set[str], cause: str
) -> None:
    """An exchange that doesn't acknowledge or pong is left, and tried again."""

    def mumble(request: dict[str, Any]) -> Answer:
        return None if request["op"] in mute else obey(request)

    async with (
        FakeExchange(mumble) as exchange,
        running(exchange.url, kafka_bootstrap, limits=QUICK) as rig,
    ):
        await eventually_async(lambda: _is(rig.reconnects(cause) > 0, True), within=WITHIN)  # noqa: FBT003
        if cause == "unacknowledged":
            assert not rig.feed.ready
        exchange.answer = obey
        await rig.ready()
        await exchange.push(trades_frame("BTCUSDT", ["after"]))
        await rig.arrived(["after"])


async def test_a_connected_but_silent_exchange_is_left(kafka_bootstrap: str) -> None:
    """No frame at all, pongs included: found by the watchdog."""

    def mumble(request: dict[str, Any]) -> Answer:
        return None if request["op"] == "ping" else obey(request)

    limits = Limits(silence=1.0, pong=60.0, ack=60.0)
    async with (
        FakeExchange(mumble) as exchange,
        running(exchange.url, kafka_bootstrap, limits=limits) as rig,
    ):
        await eventually_async(lambda: _is(rig.reconnects("silence") > 0, True), within=WITHIN)  # noqa: FBT003


async def test_a_refusal_that_may_pass_is_tried_again(kafka_bootstrap: str) -> None:
    """Not ready while refused; ready as soon as the exchange grants."""

    def busy(request: dict[str, Any]) -> Answer:
        return obey(request) | {"success": False, "ret_msg": "system busy"}

    async with FakeExchange(busy) as exchange, running(exchange.url, kafka_bootstrap) as rig:
        await eventually_async(lambda: _is(rig.reconnects("refused") > 0, True), within=WITHIN)  # noqa: FBT003
        assert not rig.feed.ready
        assert not rig.feed.refused
        exchange.answer = obey
        await rig.ready()


async def test_a_cut_connection_is_made_anew(kafka_bootstrap: str) -> None:
    """Reset by the peer: resubscribed and reading again, by itself."""
    async with FakeExchange() as exchange, running(exchange.url, kafka_bootstrap) as rig:
        await rig.ready()
        await exchange.push(trades_frame("BTCUSDT", ["before"]))
        await rig.arrived(["before"])
        await exchange.drop()
        await eventually_async(lambda: _is(exchange.accepted, 2), within=WITHIN)
        await rig.ready()
        await exchange.push(trades_frame("BTCUSDT", ["after"]))
        await rig.arrived(["before", "after"])
        assert rig.reconnects("closed") == 1
        (lost,) = rig.observer.of("lost")
        assert (lost[0], lost[1], lost[3]) == (["BTCUSDT"], "a0", "closed")
        assert [call[0] for call in rig.observer.of("subscribed")] == [["BTCUSDT"]] * 2
        assert rig.observer.of("received") == [(["before"], "a0"), (["after"], "a0")]


@pytest.mark.parametrize(
    ("status", "cause"), [(403, "forbidden"), (429, "forbidden"), (503, "connect_failed")]
)
async def test_a_refused_handshake_is_tried_again_with_patience(
    kafka_bootstrap: str, status: int, cause: str
) -> None:
    """403, as Bybit answers too many connections, is no end and no busy loop."""
    async with FakeExchange() as exchange:
        exchange.status = status
        async with running(exchange.url, kafka_bootstrap) as rig:
            await eventually_async(lambda: _is(rig.reconnects(cause) > 1, True), within=WITHIN)  # noqa: FBT003
            exchange.status = 0
            await rig.ready()


async def test_a_peer_that_never_answers_the_handshake_is_left(kafka_bootstrap: str) -> None:
    """A half-open peer costs the connect timeout, not for ever."""

    async def ignore(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read()

    server = await asyncio.start_server(ignore, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, running(f"ws://127.0.0.1:{port}/", kafka_bootstrap) as rig:
        await eventually_async(
            lambda: _is(rig.reconnects("connect_timeout") > 0, True),  # noqa: FBT003
            within=WITHIN,
        )


async def test_bad_input_becomes_dead_letters_and_the_rest_survives(kafka_bootstrap: str) -> None:
    """Garbage, a bad trade and an oversized frame cost no connection and no good trade."""
    letters = TopicReader(kafka_bootstrap, DEAD_LETTERS)
    mixed = json.loads(trades_frame("BTCUSDT", ["a", "b", "c"]))
    mixed["data"][1]["p"] = "oops"
    async with FakeExchange() as exchange, running(exchange.url, kafka_bootstrap) as rig:
        await rig.ready()
        await exchange.push(b"not json at all")
        await exchange.push(json.dumps(mixed).encode())
        await exchange.push(b'{"what":"' + b"x" * MAX_FRAME_BYTES + b'"}')
        await exchange.push(trades_frame("BTCUSDT", ["d"]))
        await rig.arrived(["a", "c", "d"])

        async def reasons() -> bool:
            found = [decode(m.value() or b"", DeadLetter) for m in letters.read()]
            assert [letter.reason for letter in found] == [
                "bad_frame",
                "bad_price",
                "frame_too_large",
            ]
            assert found[0].raw() == b"not json at all"
            assert {letter.source for letter in found} == {"bybit/spot/ws"}
            return True

        await eventually_async(reasons, within=WITHIN)
        assert exchange.accepted == 1
    letters.close()


async def test_a_full_queue_slows_the_source_and_loses_nothing(kafka_bootstrap: str) -> None:
    """While Kafka is out of reach the feed stops reading; no trade and no connection is lost."""
    (port,) = free_ports(1)
    ids = [f"t{number}" for number in range(2_000)]
    async with (
        FakeExchange() as exchange,
        running(
            exchange.url,
            kafka_bootstrap,
            limits=QUICK,
            through=f"127.0.0.1:{port}",
            config={"queue.buffering.max.messages": 50, "reconnect.backoff.max.ms": 200},
        ) as rig,
    ):
        await rig.ready()
        for start in range(0, len(ids), 20):
            await exchange.push(trades_frame("BTCUSDT", ids[start : start + 20]))
        await eventually_async(
            lambda: _is(rig.metrics.waits._value.get() > 0, True),  # noqa: FBT003
            within=WITHIN,
        )
        assert len(rig.sink) <= 50
        # Longer than every limit: a feed that reads nothing must not take itself for dead.
        blocked_until = time.monotonic() + 2 * QUICK.silence
        await eventually_async(
            lambda: _is(time.monotonic() > blocked_until, True),  # noqa: FBT003
            within=WITHIN,
        )
        assert len(rig.sink) <= 50
        async with forwarder(port, kafka_bootstrap):
            await rig.arrived(ids)
        assert rig.ids() == ids
        assert exchange.accepted == 1
