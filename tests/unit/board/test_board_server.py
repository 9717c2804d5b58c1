"""Routes, errors and headers."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from elasticsearch import ApiError, ConnectionTimeout, NotFoundError

from cryptostream.board.hub import Hub
from cryptostream.board.market import Lag
from cryptostream.board.metrics import Metrics
from cryptostream.board.search import Search, SearchError, classify
from cryptostream.board.server import Board
from cryptostream.board.viewers import Viewers
from cryptostream.contracts.errors import Failure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from cryptostream.board.queries import Body

HUB = web.AppKey("hub", Hub)


class Down(Search):
    """An Elasticsearch that doesn't answer."""

    def __init__(self) -> None:
        pass

    async def ask(self, _indices: str, _body: Body) -> dict[str, Any]:
        """Fail."""
        raise SearchError(Failure.TRANSIENT, "Elasticsearch can't be reached")


class NoLag:
    """A Kafka without lag."""

    def read(self) -> Lag:
        """Give none."""
        return Lag(records=0, partitions=1)


@pytest.fixture
async def client() -> AsyncIterator[TestClient[Any, Any]]:
    """Serve a board for one viewer whose Elasticsearch is down."""
    metrics = Metrics()
    search = Down()
    hub = Hub(search, NoLag(), Viewers(1), metrics, 100)
    app = Board(hub, search, metrics).app()
    app[HUB] = hub
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.mark.parametrize(
    "path",
    [
        "/api/candles",
        "/api/candles?symbol=BTC%20USDT",
        "/api/candles?symbol=BTCUSDT&interval=2m",
        "/api/candles?symbol=BTCUSDT&minutes=0",
        "/api/trades?symbol=BTCUSDT&limit=501",
        "/api/stream?symbol=%3Cscript%3E",
    ],
)
async def test_bad_parameters_are_400_and_named(client: TestClient[Any, Any], path: str) -> None:
    """The answer is JSON that says which parameter and what would do."""
    answer = await client.get(path)
    assert answer.status == 400
    content = await answer.json()
    assert content["error"] == "bad_parameter"
    assert content["detail"].split(":")[0] in path or "symbol" in content["detail"]


@pytest.mark.parametrize("path", ["/", "/api/symbols", "/healthz", "/nowhere", "/static/icon.svg"])
async def test_every_answer_has_the_security_headers(
    client: TestClient[Any, Any], path: str
) -> None:
    """Page, API, files and errors alike."""
    headers = (await client.get(path)).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'self';")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Server" not in headers


@pytest.mark.parametrize("path", ["/static/../server.py", "/static/%2e%2e/server.py", "/static/"])
async def test_only_the_static_files_are_served(client: TestClient[Any, Any], path: str) -> None:
    """No way out of the folder and no listing of it."""
    assert (await client.get(path)).status in {403, 404}


async def test_writing_methods_are_refused(client: TestClient[Any, Any]) -> None:
    """The board only reads."""
    answer = await client.post("/api/trades?symbol=BTCUSDT")
    assert answer.status == 405
    assert (await answer.json())["error"] == "method_not_allowed"


async def test_without_elasticsearch_the_api_says_so(client: TestClient[Any, Any]) -> None:
    """503 with the reason; the page, health and metrics are still served."""
    answer = await client.get("/api/trades?symbol=BTCUSDT")
    assert answer.status == 503
    assert "can't be reached" in (await answer.json())["detail"]
    assert (await client.get("/")).status == 200
    assert (await client.get("/healthz")).status == 200
    assert "cryptostream_board_viewers_count" in await (await client.get("/metrics")).text()


async def test_a_stream_begins_at_once_and_a_full_board_says_so(
    client: TestClient[Any, Any],
) -> None:
    """The first event doesn't wait for a trade; the second viewer of one seat gets a 503."""
    async with client.get("/api/stream?symbol=BTCUSDT") as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        assert await stream.content.readline() == b"retry: 1000\n"
        assert (await client.get("/api/stream?symbol=BTCUSDT")).status == 503
        client.app[HUB].pulse()
        text = await asyncio.wait_for(stream.content.readuntil(b"event: pulse"), 5)
        assert b"event: tick" in text


def test_failures_of_the_client_are_classified() -> None:
    """A refused user is fatal, overload and silence are transient, a bad query is poison."""

    def api_error(status: int) -> ApiError:
        meta: Any = type("Meta", (), {"status": status})()
        return NotFoundError("x", meta, {}) if status == 404 else ApiError("x", meta, {})

    assert classify(api_error(403)).failure is Failure.FATAL
    assert classify(api_error(429)).failure is Failure.TRANSIENT
    assert classify(api_error(503)).failure is Failure.TRANSIENT
    assert classify(api_error(400)).failure is Failure.POISON
    assert classify(ConnectionTimeout("x")).failure is Failure.TRANSIENT


def run_board(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the program until it ends by itself."""
    return subprocess.run(
        [sys.executable, "-m", "cryptostream.board"],
        env={"PATH": "/usr/bin"} | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_bad_setting_is_one_line_and_status_2() -> None:
    """The line names the variable."""
    ended = run_board(BOARD_PORT="many")
    assert ended.returncode == 2
    assert "BOARD_PORT" in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1


def test_a_port_in_use_is_a_clear_line_and_status_2() -> None:
    """The line names the port and the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = run_board(BOARD_PORT=str(port), ELASTICSEARCH_URL="http://127.0.0.1:1")
    assert ended.returncode == 2
    assert f"BOARD_PORT: can't listen on 127.0.0.1:{port}" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_sigterm_ends_the_program_cleanly_with_a_viewer_on_line() -> None:
    """Within seconds and with status 0, though a stream is open."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cryptostream.board",
        env={
            "PATH": "/usr/bin", "BOARD_PORT": str(port),
            "ELASTICSEARCH_URL": "http://127.0.0.1:1", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        },
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert program.stderr
    await asyncio.wait_for(program.stderr.readuntil(b"listening"), 60)
    async with (
        ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}/api/stream?symbol=BTCUSDT") as stream,
    ):
        await stream.content.readline()
        program.send_signal(signal.SIGTERM)
        _, rest = await asyncio.wait_for(program.communicate(), 10)
    assert program.returncode == 0
    assert b"stopped" in rest
