"""Binance, OKX and Coinbase through the real ccxt into the real Kafka; the exchanges simulated."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING, Any

import ccxt.pro
import pytest
from support.eventually import eventually_async
from support.exchanges.base import row_of
from support.exchanges.binance import Binance
from support.exchanges.coinbase import Coinbase
from support.exchanges.okx import Okx
from support.kafka_topics import TopicReader, empty_topic
from support.simulator import running_simulator

from cryptostream.contracts.messages import DeadLetter, Gap, decode
from cryptostream.contracts.topics import DEAD_LETTERS, GAPS, TOPICS, trades_topic
from cryptostream.contracts.trade import Trade, decode_trade
from cryptostream.ingest.adapters.service import Service
from cryptostream.ingest.adapters.settings import ExchangesSettings
from cryptostream.ingest.adapters.topic import ensure_topic

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from support.exchanges.base import SimulatedExchange

WITHIN = 40.0
EXCHANGES: dict[str, tuple[type[SimulatedExchange], list[str]]] = {
    "binance": (Binance, ["BTCUSDT", "ETHUSDT", "SOLUSDT"]),
    "okx": (Okx, ["BTC-USDT", "ETH-USDT", "SOL-USDT"]),
    "coinbase": (Coinbase, ["BTC-USD", "ETH-USD", "SOL-USD"]),
}


def settings(exchange: str, source: SimulatedExchange, kafka: str, **more: Any) -> dict[str, Any]:
    """Point the process at the simulated exchange."""
    return {
        "exchange": exchange,
        "rest_url": source.rest_url,
        "ws_url": source.ws_url,
        "bootstrap_servers": kafka,
        "quote": "USD" if exchange == "coinbase" else "USDT",
        "metrics_port": 0,
        **more,
    }


async def begin(kafka: str, topic: str) -> None:
    """Have the topic, empty: what an earlier test left there would count as known."""
    await ensure_topic(kafka, topic)
    TopicReader(kafka, topic).close()  # which waits for its leaders
    empty_topic(kafka, topic, partitions=TOPICS[0].partitions)


@asynccontextmanager
async def running(exchange: str, source: SimulatedExchange, kafka: str) -> AsyncIterator[Service]:
    """Run the service until the block ends; nothing may stay behind."""
    service = Service(ExchangesSettings(**settings(exchange, source, kafka)), Random(1))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        await until(lambda: source.complete or task.done())
        assert not task.done(), task.result()
        yield service
    finally:
        stop.set()
        assert await task == 0


async def until(condition: Any) -> Any:
    """Wait in the loop, off which the reading of Kafka is kept."""

    async def ask() -> Any:
        return await asyncio.to_thread(condition)

    return await eventually_async(ask, within=WITHIN)


def stored(reader: TopicReader) -> list[Trade]:
    """Give the trades in Kafka, all of which keep the contract."""
    return [decode_trade(message.value() or b"") for message in reader.read()]


@pytest.mark.parametrize("exchange", sorted(EXCHANGES))
async def test_exactly_the_exchanges_trades_arrive_through_a_reconnect(
    exchange: str, kafka_bootstrap: str
) -> None:
    """Each once, field by field, before a cut and after it; the cut is a gap in `crypto-gaps`."""
    kind, symbols = EXCHANGES[exchange]
    await begin(kafka_bootstrap, trades_topic(exchange))
    reader = TopicReader(kafka_bootstrap, trades_topic(exchange))
    gaps = TopicReader(kafka_bootstrap, GAPS)
    async with kind(symbols) as source, running(exchange, source, kafka_bootstrap):
        for turn in range(60):
            await source.trade(symbols[turn % 3], 1 + turn % 5)
        expected = {fill.row() for fill in source.sent}
        await until(lambda: {row_of(trade) for trade in stored(reader)} == expected)
        await source.drop()
        await until(lambda: source.complete)
        for turn in range(60):
            await source.trade(symbols[turn % 3], 1 + turn % 5)
        expected = {fill.row() for fill in source.sent}
        await until(lambda: {row_of(trade) for trade in stored(reader)} == expected)
        assert source.accepted == 2
        assert not source.broken_rules
        found = await until(lambda: [decode(m.value() or b"", Gap) for m in gaps.read()])
        await until(lambda: len({gap.symbol for gap in gaps_of(gaps, exchange)}) == 3)
    trades = stored(reader)
    assert len(trades) == len(expected), "a trade came twice"
    assert {(trade.exchange, trade.category) for trade in trades} == {(exchange, "spot")}
    assert found
    reader.close()
    gaps.close()


def gaps_of(reader: TopicReader, exchange: str) -> list[Gap]:
    """Give the gaps told of an exchange."""
    told = [decode(message.value() or b"", Gap) for message in reader.read()]
    return [gap for gap in told if gap.exchange == exchange]


async def test_a_burst_far_above_ccxts_own_memory_arrives_whole(kafka_bootstrap: str) -> None:
    """5,000 trades of a symbol at once: ccxt alone keeps 1,000 and says nothing."""
    await begin(kafka_bootstrap, trades_topic("binance"))
    reader = TopicReader(kafka_bootstrap, trades_topic("binance"))
    async with (
        Binance(["BTCUSDT"]) as source,
        running("binance", source, kafka_bootstrap) as service,
    ):
        await source.trade("BTCUSDT", 5_000)
        await until(lambda: len(stored(reader)) >= 5_000)
        assert service.status().ready
    assert {row_of(trade) for trade in stored(reader)} == {fill.row() for fill in source.sent}
    reader.close()


async def test_what_happened_while_no_process_ran_is_a_gap(kafka_bootstrap: str) -> None:
    """A second run goes on where the first one ended: the ids say what lacks, and since when."""
    await begin(kafka_bootstrap, trades_topic("binance"))
    gaps = TopicReader(kafka_bootstrap, GAPS)
    # A name of its own: the topic keeps what other tests left there.
    async with Binance(["RESTUSDT"]) as source:
        async with running("binance", source, kafka_bootstrap) as first:
            await source.trade("RESTUSDT", 5)
            await until(lambda: first.status().ready)
        missed = source.match("RESTUSDT", 40)
        async with running("binance", source, kafka_bootstrap):
            await source.trade("RESTUSDT", 5)
            told = await until(
                lambda: [one for one in gaps_of(gaps, "binance") if one.cause == "id_jump"]
            )
    assert {gap.symbol for gap in told} == {"RESTUSDT"}
    assert told[0].from_time <= missed[0].time_ms <= missed[-1].time_ms <= told[0].to_time
    assert told[0].state == "open"
    gaps.close()


async def test_a_coinbase_update_of_several_products_is_kept_apart(kafka_bootstrap: str) -> None:
    """Such a frame goes under its first product in ccxt; each trade keeps its own symbol."""
    kind, symbols = EXCHANGES["coinbase"]
    await begin(kafka_bootstrap, trades_topic("coinbase"))
    reader = TopicReader(kafka_bootstrap, trades_topic("coinbase"))
    async with kind(symbols) as source, running("coinbase", source, kafka_bootstrap):
        mixed = [fill for symbol in symbols for fill in source.match(symbol, 20)]
        await source.push(mixed)
        expected = {fill.row() for fill in mixed}
        await until(lambda: {row_of(trade) for trade in stored(reader)} == expected)
    reader.close()


async def test_a_record_that_breaks_the_contract_is_a_dead_letter(kafka_bootstrap: str) -> None:
    """With the record as the exchange sent it; the trades around it arrive."""
    letters = TopicReader(kafka_bootstrap, DEAD_LETTERS)
    await begin(kafka_bootstrap, trades_topic("okx"))
    reader = TopicReader(kafka_bootstrap, trades_topic("okx"))
    async with Okx(["BTC-USDT"]) as source, running("okx", source, kafka_bootstrap):
        await source.trade("BTC-USDT", 3)
        (frame,) = source.frames(source.match("BTC-USDT"))
        message = json.loads(frame)
        message["data"][0]["px"] = "-1"
        await source.shout(json.dumps(message))
        await source.trade("BTC-USDT", 3)
        await until(lambda: len(stored(reader)) >= 6)
        (letter,) = await until(
            lambda: [decode(m.value() or b"", DeadLetter) for m in letters.read()]
        )
    assert (letter.reason, letter.source) == ("bad_price", "okx/spot/ccxt")
    assert json.loads(letter.payload) == message["data"][0]
    reader.close()
    letters.close()


async def test_ccxt_breaks_bybits_rule_of_ten_topics(tmp_path: Path) -> None:
    """It asks for all symbols in one request, which is why Bybit has a reader of its own."""
    with running_simulator(tmp_path) as simulated:
        client = ccxt.pro.bybit(
            {
                "options": {"defaultType": "spot", "fetchMarkets": {"types": ["spot"]}},
                "has": {"fetchCurrencies": False},
            }
        )
        client.urls["api"] = dict.fromkeys(client.urls["api"], simulated.http)
        client.urls["api"]["ws"] = {"public": {"spot": simulated.websocket}}
        try:
            await client.load_markets()
            symbols = sorted(client.markets)
            assert len(symbols) > 10
            with pytest.raises(ccxt.ExchangeError, match="args size >10"):
                await asyncio.wait_for(client.watch_trades_for_symbols(symbols), WITHIN)
        finally:
            await client.close()


def start(**variables: str) -> subprocess.Popen[str]:
    """Start the process with nothing but the given variables."""
    command = [sys.executable, "-m", "cryptostream.ingest.exchanges"]
    return subprocess.Popen(command, env=variables, stderr=subprocess.PIPE, text=True)


def http_status(url: str) -> int:
    """Ask a URL; 0 if nothing answers."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


async def test_the_process_becomes_ready_and_sigterm_ends_it_cleanly(
    kafka_bootstrap: str, unused_tcp_port: int
) -> None:
    """503 before the first trade, 200 after it; exit status 0 within seconds of SIGTERM."""
    url = f"http://127.0.0.1:{unused_tcp_port}/readyz"
    async with Binance(["BTCUSDT", "ETHUSDT"]) as source:
        given = settings("binance", source, "", metrics_port=unused_tcp_port, symbols="BTC/USDT")
        del given["bootstrap_servers"]
        variables = {f"INGEST_{name.upper()}": str(value) for name, value in given.items()}
        process = start(KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap, **variables)
        try:
            await until(lambda: source.subscribed("BTCUSDT"))
            assert await asyncio.to_thread(http_status, url) == 503
            await source.trade("BTCUSDT", 10)
            await until(lambda: http_status(url) == 200)
            assert not source.subscribed("ETHUSDT")
        finally:
            process.send_signal(signal.SIGTERM)
            _, text = await asyncio.to_thread(process.communicate, timeout=WITHIN)
    assert process.returncode == 0, text
    assert json.loads(text.splitlines()[-1])["left_behind"] == 0


async def test_an_unknown_symbol_is_one_clear_line(kafka_bootstrap: str) -> None:
    """Exit status 2, the variable, the name and what was perhaps meant."""
    async with Okx(["BTC-USDT"]) as source:
        process = start(
            KAFKA_BOOTSTRAP_SERVERS=kafka_bootstrap, INGEST_EXCHANGE="okx", INGEST_METRICS_PORT="0",
            INGEST_REST_URL=source.rest_url, INGEST_SYMBOLS="BTC-USDC",
        )  # fmt: skip
        _, text = await asyncio.to_thread(process.communicate, timeout=WITHIN)
    (line,) = [line for line in text.splitlines() if line[:1] != "{"]
    assert process.returncode == 2
    assert "INGEST_SYMBOLS: okx has no spot symbol BTC-USDC (did you mean BTC-USDT" in line


@pytest.mark.parametrize(("name", "hint"), [("bybit", "cryptostream.ingest`"), ("nyse", "binance")])
def test_an_exchange_that_is_not_for_ccxt_is_refused(name: str, hint: str) -> None:
    """Bybit has a reader of its own; others are not known: exit status 2 and the way out."""
    process = start(INGEST_EXCHANGE=name)
    _, text = process.communicate(timeout=WITHIN)
    assert process.returncode == 2
    assert "INGEST_EXCHANGE" in text
    assert hint in text
