"""The whole process: the real simulator, the real Kafka, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections import Counter
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from support.eventually import eventually
from support.kafka_topics import TopicReader, empty_topic
from support.servers import free_ports
from support.simulator import RunningSimulator, running_simulator, start_simulator

from cryptostream.contracts.messages import DeadLetter, decode
from cryptostream.contracts.topics import BYBIT_TRADES, COVERAGE, DEAD_LETTERS
from cryptostream.contracts.trade import Trade, decode_trade

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SYMBOLS = "BTCUSDT,ETHUSDT,SOLUSDT,XRPUSDT"
WITHIN = 60.0
#: What SIGTERM may take.
SHUTDOWN_SECONDS = 5.0


def get(url: str) -> tuple[int, bytes]:
    """Ask an HTTP server; 0 if it is out of reach."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


@contextmanager
def process(**environment: object) -> Iterator[subprocess.Popen[str]]:
    """Run ingest with these variables; kill it at the end if it still runs."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("INGEST_")}
    with subprocess.Popen(
        [sys.executable, "-m", "cryptostream.ingest"],
        env=clean | {key: str(value) for key, value in environment.items()},
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


@contextmanager
def simulator(folder: Path, *, rate: int = 500) -> Iterator[RunningSimulator]:
    """Run the simulator with this module's symbols."""
    with running_simulator(folder, symbols=SYMBOLS, rate=rate) as running:
        yield running


class Ingest:
    """A running ingest process."""

    def __init__(self, running: subprocess.Popen[str], port: int) -> None:
        self.running = running
        self.http = f"http://127.0.0.1:{port}"

    def ready(self) -> bool:
        """Tell whether /readyz says yes."""
        return get(f"{self.http}/readyz")[0] == 200

    def metric(self, name: str) -> float:
        """Read a metric's value, summed over its labels."""
        _, body = get(f"{self.http}/metrics")
        full = f"cryptostream_ingest_{name}"
        starts = (f"{full} ", f"{full}{{")
        lines = [line for line in body.decode().splitlines() if line.startswith(starts)]
        assert lines, f"{full} is not among the metrics"
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines)

    def stop(self) -> tuple[int, list[dict[str, Any]]]:
        """Send SIGTERM; give the exit status and the log's lines."""
        self.running.send_signal(signal.SIGTERM)
        _, log = self.running.communicate(timeout=SHUTDOWN_SECONDS)
        return self.running.returncode, [json.loads(line) for line in log.splitlines()]


def variables(bootstrap: str, source: RunningSimulator, port: int) -> dict[str, object]:
    """Give the environment of an ingest process."""
    return {
        "KAFKA_BOOTSTRAP_SERVERS": bootstrap,
        "INGEST_WS_URL": source.websocket,
        "INGEST_REST_URL": source.http,
        "INGEST_METRICS_PORT": port,
    }


@contextmanager
def ingest(bootstrap: str, source: RunningSimulator, **environment: object) -> Iterator[Ingest]:
    """Run ingest until it is ready."""
    (port,) = free_ports(1)
    environment = variables(bootstrap, source, port) | environment
    with process(**environment) as running:
        made = Ingest(running, port)
        eventually(made.ready, within=WITHIN)
        yield made


@pytest.fixture
def trades(kafka_bootstrap: str) -> Iterator[TopicReader]:
    """Read what the test writes to the trades; no earlier test's ingest has left its word."""
    empty_topic(kafka_bootstrap, COVERAGE)
    reader = TopicReader(kafka_bootstrap, BYBIT_TRADES)
    yield reader
    reader.close()


def stored(reader: TopicReader) -> list[Trade]:
    """Give the trades in Kafka, all of which keep the contract."""
    return [decode_trade(message.value() or b"") for message in reader.read()]


def compare(ledger: list[dict[str, Any]], found: list[Trade]) -> tuple[Any, Any]:
    """Give what is lost and what is there more often than it was sent."""
    sent = Counter((row["symbol"], row["trade_id"]) for row in ledger)
    got = Counter((trade.symbol, trade.trade_id) for trade in found)
    return sent - got, got - sent


def test_every_trade_sent_is_in_kafka_once(
    kafka_bootstrap: str, trades: TopicReader, tmp_path: Path
) -> None:
    """The simulator's ledger and the topic agree, and SIGTERM leaves nothing behind."""
    with simulator(tmp_path) as source, ingest(kafka_bootstrap, source) as running:
        eventually(lambda: source.status()["sent"] > 2_000, within=WITHIN)
        source.post("/simulator/pause")
        ledger = source.ledger()
        eventually(lambda: running.metric("trades_delivered_total") == len(ledger), within=WITHIN)
        assert get(f"{running.http}/livez")[0] == 200
        status, log = running.stop()
    assert compare(ledger, stored(trades)) == (Counter(), Counter())
    assert status == 0
    assert log[-1]["event"] == "stopped"
    assert log[-1]["left_behind"] == 0


def test_a_stop_under_load_delivers_what_was_accepted(
    kafka_bootstrap: str, trades: TopicReader, tmp_path: Path
) -> None:
    """SIGTERM amid 5,000 trades/s: within 5 s, exit 0, no gap in what Kafka got."""
    with simulator(tmp_path, rate=5_000) as source, ingest(kafka_bootstrap, source) as running:
        eventually(lambda: running.metric("trades_delivered_total") > 5_000, within=WITHIN)
        status, log = running.stop()
        ledger = source.ledger()
    assert (status, log[-1]["left_behind"]) == (0, 0)
    found = stored(trades)
    for symbol in SYMBOLS.split(","):
        sent = [row["trade_id"] for row in ledger if row["symbol"] == symbol]
        got = [trade.trade_id for trade in found if trade.symbol == symbol]
        assert got == sent[: len(got)], f"{symbol} has a gap or a double"


def test_two_shards_share_the_symbols(
    kafka_bootstrap: str, trades: TopicReader, tmp_path: Path
) -> None:
    """0/2 and 1/2 together read every trade once."""
    with (
        simulator(tmp_path) as source,
        ingest(kafka_bootstrap, source, INGEST_SHARD="0/2") as first,
        ingest(kafka_bootstrap, source, INGEST_SHARD="1/2") as second,
    ):
        assert first.metric("subscribed_topics") + second.metric("subscribed_topics") == 4
        eventually(lambda: {t.shard for t in stored(trades)} == {"0/2", "1/2"}, within=WITHIN)
        source.post("/simulator/pause")
        ledger = source.ledger()
        eventually(lambda: len(stored(trades)) >= len(ledger), within=WITHIN)
        assert compare(ledger, stored(trades)) == (Counter(), Counter())


def test_an_exchange_that_comes_back_is_found_again(
    kafka_bootstrap: str, trades: TopicReader, tmp_path: Path
) -> None:
    """Gone and started anew: not ready in between, then all topics again, by itself."""
    with ExitStack() as stack:
        with simulator(tmp_path) as source:
            running = stack.enter_context(ingest(kafka_bootstrap, source))
            eventually(lambda: len(stored(trades)) > 100, within=WITHIN)
        eventually(lambda: not running.ready(), within=WITHIN)
        again = start_simulator(
            "serve", output=subprocess.DEVNULL, port=source.port, symbols=SYMBOLS, seed=2
        )
        stack.callback(again.wait, 20)
        stack.callback(again.terminate)
        eventually(running.ready, within=WITHIN)
        before = running.metric("trades_delivered_total")
        eventually(lambda: running.metric("trades_delivered_total") > before, within=WITHIN)
        assert running.metric("reconnects_total") >= 1
        assert running.metric("subscribed_topics") == 4


def test_a_malformed_frame_becomes_a_dead_letter(kafka_bootstrap: str, tmp_path: Path) -> None:
    """With its reason and its bytes, while the trades flow on."""
    letters = TopicReader(kafka_bootstrap, DEAD_LETTERS)
    with simulator(tmp_path) as source, ingest(kafka_bootstrap, source) as running:
        broken = b'{"topic":"publicTrade.BTCUSDT","broken'
        source.post("/simulator/inject?topic=publicTrade.BTCUSDT", broken)
        found = eventually(
            lambda: [decode(m.value() or b"", DeadLetter) for m in letters.read()], within=WITHIN
        )
        assert [(one.reason, one.payload) for one in found] == [("bad_frame", broken.decode())]
        assert running.metric("dead_letters_total") == 1
        before = running.metric("trades_delivered_total")
        eventually(lambda: running.metric("trades_delivered_total") > before, within=WITHIN)
    letters.close()


def refused(**environment: object) -> tuple[int, list[str]]:
    """Run ingest to its end; give the exit status and what it wrote that is no log line."""
    with process(**environment) as running:
        _, text = running.communicate(timeout=WITHIN)
        return running.returncode, [line for line in text.splitlines() if line[:1] != "{"]


def test_an_unknown_symbol_is_one_clear_line(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Exit status 2, the variable, the wrong name, and what was perhaps meant."""
    (port,) = free_ports(1)
    with simulator(tmp_path) as source:
        environment = variables(kafka_bootstrap, source, port)
        status, lines = refused(**environment, INGEST_SYMBOLS="BTCUSDT,ETHUSD")
    assert status == 2
    (line,) = lines
    assert "INGEST_SYMBOLS" in line
    assert "ETHUSD (did you mean ETHUSDT" in line


def test_given_symbols_are_read_without_the_list_of_instruments(
    kafka_bootstrap: str, trades: TopicReader, tmp_path: Path
) -> None:
    """REST is blocked where the stream is not; names that were given need no list."""
    nowhere = f"http://127.0.0.1:{free_ports(1)[0]}"
    with (
        simulator(tmp_path) as source,
        ingest(kafka_bootstrap, source, INGEST_REST_URL=nowhere, INGEST_SYMBOLS="BTCUSDT,NOPE"),
    ):
        found = eventually(lambda: stored(trades), within=WITHIN)
    assert {trade.symbol for trade in found} == {"BTCUSDT"}


def test_bad_settings_are_one_clear_line() -> None:
    """Exit status 2 and every bad variable in one line."""
    status, (line,) = refused(INGEST_SHARD="2/2", INGEST_METRICS_PORT="many")
    assert status == 2
    assert "INGEST_SHARD" in line
    assert "INGEST_METRICS_PORT" in line


def test_a_port_in_use_is_one_clear_line(kafka_bootstrap: str, tmp_path: Path) -> None:
    """Exit status 2, the port and the remedy."""
    with simulator(tmp_path) as source:
        port = source.port
        status, (line,) = refused(**variables(kafka_bootstrap, source, port))
    assert status == 2
    assert f"INGEST_METRICS_PORT={port}" in line
    assert "choose another" in line
