"""The real ccxt against simulated exchanges: what it loses, repeats and breaks is made good."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import ccxt
import pytest
from support.eventually import eventually_async
from support.exchanges.base import row_of
from support.exchanges.binance import Binance
from support.exchanges.coinbase import Coinbase
from support.exchanges.okx import Okx
from support.witness import Witness

from cryptostream.contracts.errors import Failure, SettingsError
from cryptostream.ingest.adapters import client as client_module
from cryptostream.ingest.adapters.client import AdapterError, Client, translate
from cryptostream.ingest.adapters.metrics import AdapterMetrics
from cryptostream.ingest.adapters.reader import CcxtReader, Gate, Outlets
from cryptostream.ingest.adapters.service import choose
from cryptostream.ingest.adapters.settings import ExchangesSettings
from cryptostream.ingest.adapters.venues import VENUES
from cryptostream.ingest.backoff import Backoff

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from support.exchanges.base import Row, SimulatedExchange

    from cryptostream.contracts.messages import DeadLetter
    from cryptostream.contracts.trade import Trade

WITHIN = 15.0
INSTRUMENTS = {"BTC/USDT": ("BTC-USDT", "USDT"), "BTC/EUR": ("BTC-EUR", "EUR")}


class Basket:
    """A sink that keeps what it is offered; while `closed` it has no room."""

    def __init__(self) -> None:
        self.trades: list[Trade] = []
        self.letters: list[DeadLetter] = []
        self.open = asyncio.Event()
        self.open.set()

    def offer_trade(self, trade: Trade) -> bool:
        """Take a trade, if there is room."""
        if self.open.is_set():
            self.trades.append(trade)
        return self.open.is_set()

    def offer_dead_letter(self, letter: DeadLetter) -> bool:
        """Take a dead letter."""
        self.letters.append(letter)
        return True

    async def room(self) -> None:
        """Wait until it is opened."""
        await self.open.wait()

    def rows(self) -> list[Row]:
        """Give the trades as the ledger has them."""
        return [row_of(trade) for trade in self.trades]


@dataclass
class Bench:
    """A running reader, and all that it told."""

    reader: CcxtReader
    basket: Basket
    witness: Witness
    metrics: AdapterMetrics

    def count(self, name: str) -> float:
        """Read a counter."""
        return self.metrics.registry.get_sample_value(f"cryptostream_ingest_{name}") or 0.0


@asynccontextmanager
async def reading(
    exchange: str, source: SimulatedExchange, *, silence: float = 60.0, keep_alive: float = 10.0
) -> AsyncIterator[Bench]:
    """Read all symbols of a simulated exchange until the block ends."""

    def connect() -> Client:
        client = Client(
            VENUES[exchange], rest_url=source.rest_url, ws_url=source.ws_url, keep_alive=keep_alive
        )
        if catalogue:
            client.share(catalogue[0])
        return client

    catalogue: list[Client] = []
    catalogue.append(connect())
    await catalogue[0].load()
    await catalogue[0].close()
    symbols = {unified: own for unified, (own, _) in catalogue[0].instruments().items()}
    basket, witness, metrics = Basket(), Witness(), AdapterMetrics()
    outlets: Any = Outlets(basket, witness, metrics)  # type: ignore[arg-type]
    reader = CcxtReader(
        VENUES[exchange], "one", symbols, connect=connect, outlets=outlets, gate=Gate(0.01),
        backoff=Backoff(Random(1), base=0.1), silence_seconds=silence,
    )  # fmt: skip
    task = asyncio.create_task(reader.run())
    try:
        await until(lambda: source.complete or task.done())
        yield Bench(reader, basket, witness, metrics)
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def newest(client: Client | None) -> str | None:
    """Give the id of the last trade that ccxt keeps of BTC/USDT."""
    assert client is not None
    kept = list(client._ccxt.trades.get("BTC/USDT", ()))
    return kept[-1]["id"] if kept else None


async def until(condition: Callable[[], object]) -> None:
    """Wait in the loop."""

    async def ask() -> object:
        return condition()

    await eventually_async(ask, within=WITHIN)


async def test_ccxt_alone_loses_a_burst_and_says_nothing() -> None:
    """The reason for draining its caches: 3,000 trades sent, the call gives 1,000 at most."""
    async with Binance(["BTCUSDT"]) as source:
        client = Client(VENUES["binance"], rest_url=source.rest_url, ws_url=source.ws_url)
        client._ccxt.options["tradesLimit"] = 1_000
        watch = asyncio.create_task(client._ccxt.watch_trades_for_symbols(["BTC/USDT"]))
        await until(lambda: source.complete)
        fills = source.match("BTCUSDT", 3_000)
        await source.push(fills)
        got = {trade["id"] for trade in await watch}
        client._ccxt.trades["BTC/USDT"].clear()
        # Trades that came while nobody awaited them: the newest 1,000 are all that is kept.
        await source.push(source.match("BTCUSDT", 3_000))
        await source.trade("BTCUSDT")
        last = str(source.sent[-1].number)
        await until(lambda: newest(client) == last)
        assert len(got) <= 1_000
        assert len(client._ccxt.trades["BTC/USDT"]) == 1_000
        await client.close()


async def test_trades_that_fall_out_of_the_cache_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """While Kafka has no room, 900 of 1,000 are lost: the ids prove each, and where."""
    monkeypatch.setattr(client_module, "CACHE_TRADES", 100)
    async with Binance(["BTCUSDT"]) as source, reading("binance", source) as bench:
        await source.trade("BTCUSDT")
        await until(lambda: len(bench.basket.trades) == 1)
        bench.basket.open.clear()
        await source.trade("BTCUSDT")
        await until(lambda: bench.count("trades_received_total") == 2)
        await source.trade("BTCUSDT", 1_000)
        last = str(source.sent[-1].number)
        await until(lambda: newest(bench.reader._client) == last)
        bench.basket.open.set()
        await until(lambda: len(bench.basket.trades) == 102)
        assert bench.count("trades_missing_total") == 900
        ((symbol, since, to, cause),) = bench.witness.of("dropped")
        assert (symbol, cause) == ("BTCUSDT", "id_jump")
        assert (since, to) == (source.sent[1].time_ms, source.sent[902].time_ms)


async def test_a_full_cache_is_told_where_ids_prove_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """OKX joins matches, so that ids jump: a jump is no loss, a full cache is one."""
    monkeypatch.setattr(client_module, "CACHE_TRADES", 100)
    async with Okx(["BTC-USDT"]) as source, reading("okx", source) as bench:
        await source.trade("BTC-USDT", 5, joined=7)
        await until(lambda: len(bench.basket.trades) == 5)
        assert not bench.witness.of("dropped")
        bench.basket.open.clear()
        await source.trade("BTC-USDT")
        await until(lambda: bench.count("trades_received_total") == 6)
        await source.trade("BTC-USDT", 300)
        last = str(source.sent[-1].number)
        await until(lambda: newest(bench.reader._client) == last)
        bench.basket.open.set()
        await until(lambda: len(bench.basket.trades) == 106)
        assert [call[3] for call in bench.witness.of("dropped")] == ["cache_full"]


async def test_what_a_snapshot_hands_out_again_is_passed_over() -> None:
    """Coinbase repeats 50 trades after a reconnect, with what happened meanwhile among them."""
    async with Coinbase(["BTC-USD", "ETH-USD"]) as source, reading("coinbase", source) as bench:
        await source.trade("BTC-USD", 30)
        await source.trade("ETH-USD", 30)
        await until(lambda: len(bench.basket.trades) == 60)
        await source.drop()
        source.match("BTC-USD", 5)
        await until(lambda: source.complete)
        await source.trade("ETH-USD")
        await until(lambda: len(bench.basket.trades) == 66)
        assert sorted(bench.basket.rows()) == sorted({fill.row() for fill in source.sent})
        assert bench.count("trades_stale_total") == 60
        assert not bench.witness.of("dropped"), "the snapshot closed the gap"
        assert [call[3] for call in bench.witness.of("lost")] == ["closed"]


async def test_trades_missed_during_a_reconnect_are_counted() -> None:
    """Binance sends no snapshot: the next id proves how many lack."""
    async with Binance(["BTCUSDT"]) as source, reading("binance", source) as bench:
        await source.trade("BTCUSDT", 3)
        await until(lambda: len(bench.basket.trades) == 3)
        await source.drop()
        source.match("BTCUSDT", 17)
        await until(lambda: source.complete)
        await source.trade("BTCUSDT", 2)
        await until(lambda: len(bench.basket.trades) == 5)
        assert bench.count("trades_missing_total") == 17


@pytest.mark.parametrize(("exchange", "kind", "symbol"),
    [("binance", Binance, "BTCUSDT"), ("okx", Okx, "BTC-USDT"), ("coinbase", Coinbase, "BTC-USD")],
)  # fmt: skip
async def test_a_frame_that_ends_ccxts_reading_is_survived(
    exchange: str, kind: type[SimulatedExchange], symbol: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A broken frame stops ccxt's loop without an error; its unanswered ping gives it away."""
    caplog.set_level(logging.CRITICAL, "asyncio")
    async with kind([symbol]) as source, reading(exchange, source, keep_alive=0.3) as bench:
        await source.trade(symbol, 2)
        await until(lambda: len(bench.basket.trades) == 2)
        await source.shout('{"broken')
        await until(lambda: source.accepted == 2 and source.complete)
        await source.trade(symbol, 2)
        await until(lambda: len(bench.basket.trades) == 4)


async def test_a_connection_that_brings_nothing_is_made_anew() -> None:
    """It answers pings and sends no trade: after the given time it is given up."""
    async with Binance(["BTCUSDT"]) as source, reading("binance", source, silence=0.5) as bench:
        await source.trade("BTCUSDT")
        await until(lambda: source.accepted >= 2)
        await until(lambda: bench.witness.of("lost"))
        assert bench.witness.of("lost")[0][3] == "silence"
        assert not bench.reader.ready


async def test_a_symbol_that_the_exchange_does_not_grant_is_fatal() -> None:
    """OKX answers with an error: asking again would not help."""
    async with Okx(["BTC-USDT"]) as source:
        client = Client(VENUES["okx"], rest_url=source.rest_url, ws_url=source.ws_url)
        await client.load()
        source.symbols = []
        with pytest.raises(AdapterError, match="doesn't exist"):
            await client.watch(["BTC/USDT"])
        await client.close()


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (ccxt.NetworkError("x"), "closed"),
        (ccxt.RequestTimeout("x"), "timeout"),
        (ccxt.RateLimitExceeded("x"), "rate_limited"),
        (ccxt.DDoSProtection("x"), "rate_limited"),
        (ccxt.OnMaintenance("x"), "unavailable"),
        (ConnectionResetError("x"), "closed"),
    ],
)
def test_what_passes_is_transient(error: Exception, cause: str) -> None:
    """Ccxt raises on every close; the cause is fit for a metric label."""
    found = translate(error)
    assert (found.failure, getattr(found, "cause", "")) == (Failure.TRANSIENT, cause)


@pytest.mark.parametrize("error", [ccxt.BadSymbol("x"), ccxt.ExchangeError("x"), KeyError("x")])
def test_what_does_not_pass_is_fatal(error: Exception) -> None:
    """A refusal, or a fault of ccxt's own."""
    assert translate(error).failure is Failure.FATAL


def test_symbols_are_chosen_by_either_name_or_by_quote() -> None:
    """Unified and native names mean the same; none takes all of the quote."""
    for symbols in ("BTC/USDT", "BTC-USDT", "BTC-USDT, BTC/USDT", ""):
        asked = ExchangesSettings(exchange="okx", symbols=symbols)
        assert choose(INSTRUMENTS, asked) == {"BTC/USDT": "BTC-USDT"}
    with pytest.raises(SettingsError, match="INGEST_QUOTE=JPY"):
        choose(INSTRUMENTS, ExchangesSettings(exchange="okx", quote="JPY"))


def test_the_native_ingest_does_not_pay_for_ccxt() -> None:
    """Neither importing it nor refusing Bybit loads the library."""
    code = (
        "import sys, cryptostream.ingest.__main__, cryptostream.ingest.exchanges;"
        "sys.exit('ccxt' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
