"""Faults, limits, TLS, listings and dumps over real sockets."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import ssl
import urllib.error
import urllib.request
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support.eventually import eventually, eventually_async
from support.servers import free_ports
from support.simulator import RunningSimulator, running_simulator, start_simulator

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

TOPICS = ["publicTrade.BTCUSDT", "publicTrade.ETHUSDT"]


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSimulator]:
    """Serve two symbols at 200 trades a second, with TLS beside the plain port."""
    folder = tmp_path_factory.mktemp("faults")
    (tls,) = free_ports(1)
    with running_simulator(
        folder, symbols="BTCUSDT,ETHUSDT", rate=200, tls_port=tls, tls_dir=folder / "tls"
    ) as running:
        yield running


@pytest.fixture
async def client(simulator: RunningSimulator) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    """Connect a raw client, and end all faults afterwards."""
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(simulator.websocket, max_msg_size=0) as connection,
    ):
        yield connection
        async with session.delete(f"{simulator.http}/simulator/faults") as answer:
            assert answer.status == 200


async def subscribe(client: aiohttp.ClientWebSocketResponse, *topics: str) -> None:
    """Ask for topics."""
    await client.send_json({"op": "subscribe", "args": list(topics or TOPICS)})


async def read_until(client: aiohttp.ClientWebSocketResponse, word: str) -> list[dict[str, Any]]:
    """Read messages up to the first that has the key."""
    seen: list[dict[str, Any]] = []
    while not seen or word not in seen[-1]:
        seen.append(await asyncio.wait_for(client.receive_json(), 20))
    return seen


async def test_a_close_code_arrives(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """The client sees the code it was closed with."""
    await subscribe(client)
    await read_until(client, "data")
    simulator.strike("close", code=1012)
    while (message := await asyncio.wait_for(client.receive(), 20)).type is aiohttp.WSMsgType.TEXT:
        assert message.data
    assert (message.type, message.data) == (aiohttp.WSMsgType.CLOSE, 1012)


async def test_a_reset_is_a_reset(simulator: RunningSimulator) -> None:
    """The peer's socket fails with ECONNRESET, not with an end of stream."""
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(
        b"GET /v5/public/spot HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
    )
    await reader.readuntil(b"\r\n\r\n")
    simulator.strike("reset")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 20)
    writer.close()


async def test_a_half_open_connection_stays_silent_until_it_is_cut(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """Not even a ping is answered, and the end of the fault is a reset."""
    await subscribe(client)
    await read_until(client, "data")
    assert simulator.strike("half_open", seconds=1)["id"]
    await client.send_json({"op": "ping"})
    while (message := await asyncio.wait_for(client.receive(), 20)).type is aiohttp.WSMsgType.TEXT:
        assert "pong" not in message.data
    assert message.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}


async def test_acks_can_be_late_early_or_never(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """Trades come before a late ack and after an early one; an unheard request can be repeated."""
    simulator.strike("no_ack", count=1)
    simulator.strike("late_ack", count=1, delay_ms=1000)
    await subscribe(client, TOPICS[0])
    await subscribe(client, TOPICS[0])
    seen = await read_until(client, "success")
    assert seen[-1]["success"]
    assert "data" in seen[0]
    simulator.strike("early_ack", count=1, delay_ms=500)
    await subscribe(client, TOPICS[1])
    await read_until(client, "success")
    topics = [(await client.receive_json())["topic"] for _ in range(5)]
    assert topics == [TOPICS[0]] * 5


async def test_a_symbol_can_be_refused(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """A request with the symbol is refused as a whole, one without it isn't."""
    simulator.strike("refuse", symbols=["ETHUSDT"])
    await subscribe(client)
    refusal = (await read_until(client, "success"))[-1]
    assert refusal["ret_msg"] == "Invalid symbol :[publicTrade.ETHUSDT]"
    await subscribe(client, TOPICS[0])
    assert (await read_until(client, "success"))[-1]["success"]


async def test_maintenance_ends_by_itself(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """All are closed, new ones get 503, and after its time they come in again."""
    simulator.strike("maintenance", seconds=1.5)
    assert (await asyncio.wait_for(client.receive(), 20)).data == 1012
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
            await session.ws_connect(simulator.websocket)
        assert refusal.value.status == 503

        async def let_in() -> bool:
            try:
                await (await session.ws_connect(simulator.websocket)).close()
            except aiohttp.WSServerHandshakeError:
                return False
            return True

        await eventually_async(let_in, within=20)


async def test_status_lists_the_faults_and_delete_ends_them(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """A silent symbol is listed with what is left; afterwards it is heard again."""
    await subscribe(client)
    simulator.strike("silent", symbols=["BTCUSDT"], seconds=600)
    (fault,) = simulator.status()["faults"]
    assert (fault["kind"], fault["symbols"]) == ("silent", ["BTCUSDT"])
    assert 590 < fault["seconds_left"] <= 600
    everything = [json.loads(row) for row in simulator.text("/simulator/ledger?all=1").splitlines()]
    assert len(everything) > simulator.status()["sent"]
    assert simulator.delete("/simulator/faults") == {"ended": 1}
    assert simulator.status()["faults"] == []


@pytest.mark.parametrize("body", [b"{", b'{"kind":"x"}', b'{"kind":"close","code":7}'])
def test_a_bad_fault_is_refused(simulator: RunningSimulator, body: bytes) -> None:
    """The answer is 400 and says what is wrong."""
    with pytest.raises(urllib.error.HTTPError, match="400") as refusal:
        simulator.post("/simulator/faults", body)
    assert json.loads(refusal.value.read())["error"]


async def test_a_sweep_arrives_in_frames_of_one_seq(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """3000 trades of one order come as three frames, and are in the ledger."""
    await subscribe(client)
    while (await read_until(client, "data"))[-1]["topic"] != TOPICS[0]:
        pass
    simulator.strike("sweep", symbols=["BTCUSDT"], count=3000)
    frames: list[list[dict[str, Any]]] = []
    while sum(map(len, frames)) < 3000:
        rows = (await read_until(client, "data"))[-1]["data"]
        frames += [rows] if len(rows) > 900 else []
    assert [len(rows) for rows in frames] == [1024, 1024, 952]
    assert len({row["seq"] for rows in frames for row in rows}) == 1


async def test_listing_and_delisting_at_run_time(
    simulator: RunningSimulator, client: aiohttp.ClientWebSocketResponse
) -> None:
    """A new symbol is listed and trades; a delisted one goes silent and leaves the list."""
    body = json.dumps({"symbol": "NEWUSDT", "rate": 50, "price": 2.5}).encode()
    assert "NEWUSDT" in simulator.post("/simulator/symbols", body)["listed"]
    await subscribe(client, "publicTrade.NEWUSDT")
    (row, *_) = (await read_until(client, "data"))[-1]["data"]
    assert row["s"] == "NEWUSDT"
    left = simulator.delete("/simulator/symbols/NEWUSDT")["listed"]
    assert left == ["BTCUSDT", "ETHUSDT"]
    info = simulator.get("/v5/market/instruments-info?category=spot")["result"]["list"]
    assert [item["symbol"] for item in info] == ["BTCUSDT", "ETHUSDT"]
    await subscribe(client, "publicTrade.NEWUSDT")
    assert (await read_until(client, "success"))[-1]["success"] is False
    await subscribe(client, TOPICS[0])
    messages = (await read_until(client, "success"))[:-1]
    messages += [await client.receive_json() for _ in range(20)]
    assert "publicTrade.NEWUSDT" not in {message["topic"] for message in messages[-20:]}


async def test_tls_serves_the_same(simulator: RunningSimulator, tmp_path: Path) -> None:
    """A client that trusts the written certificate gets trades over TLS."""
    (tls,) = free_ports(1)
    with running_simulator(tmp_path, tls_port=tls, tls_dir=tmp_path) as running:
        trust = ssl.create_default_context(cafile=tmp_path / "tls.pem")
        url = f"wss://localhost:{tls}/v5/public/spot"
        async with (
            aiohttp.ClientSession() as session,
            session.ws_connect(url, ssl=trust, max_msg_size=0) as client,
        ):
            await subscribe(client)
            assert (await read_until(client, "data"))[-1]["data"]
            assert running.status()["connections"] == 1
    assert simulator.get("/healthz")


def test_the_day_can_be_downloaded(simulator: RunningSimulator) -> None:
    """The dump of a listed symbol is there, in either schema; another day's is not."""
    eventually(lambda: simulator.status()["made"] > 50, within=20)
    seconds = int(simulator.get("/v5/market/time")["result"]["timeSecond"])
    days = _days(seconds)
    path = f"/spot/BTCUSDT/BTCUSDT_{days[0]}.csv.gz"
    for root, query, end in (("", "", "rpi"), ("/public", "?rpi=0", "side")):
        with urllib.request.urlopen(simulator.http + root + path + query, timeout=20) as answer:
            lines = gzip.decompress(answer.read()).decode().splitlines()
        assert lines[0].endswith(end)
        assert lines[1].startswith("1,")
    with pytest.raises(urllib.error.HTTPError, match="404"):
        simulator.text(path.replace(days[0], days[1]))


def _days(seconds: int) -> list[str]:
    """Give the UTC day of a time, and one long before it."""
    return [str(datetime.fromtimestamp(seconds, UTC).date()), "2025-01-01"]


async def test_limits_and_a_script_are_settings(tmp_path: Path) -> None:
    """Beyond the budget an upgrade gets 403; a scripted fault comes at its time."""
    script = tmp_path / "faults.jsonl"
    script.write_text('{"at": 0, "fault": {"kind": "silent", "symbols": ["BTCUSDT"]}}\n')
    settings = {"faults": script, "max_new_connections": 2, "max_args": 1}
    with running_simulator(tmp_path, **settings) as running:
        async with aiohttp.ClientSession() as session:
            client = await session.ws_connect(running.websocket)
            await subscribe(client)
            assert (await read_until(client, "success"))[-1]["ret_msg"] == "args size >1"
            await session.ws_connect(running.websocket)
            with pytest.raises(aiohttp.WSServerHandshakeError) as refusal:
                await session.ws_connect(running.websocket)
            assert refusal.value.status == 403
        status = running.status()
        assert [fault["kind"] for fault in status["faults"]] == ["silent"]
        assert status["upgrades_refused"] == 1


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"faults": "/nowhere/script"}, "SIMULATOR_FAULTS"),
        ({"tls_port": 1}, "SIMULATOR_TLS_DIR"),
        ({"tls_port": 1, "tls_dir": "/proc/nowhere"}, "SIMULATOR_TLS_DIR"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, object], named: str) -> None:
    """Exit status 2 and a line that names the setting."""
    process = start_simulator("serve", **settings)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 2
    assert named in errors.decode().splitlines()[-1]


async def test_a_client_that_never_reads_takes_no_memory(tmp_path: Path) -> None:
    """At 20,000 trades a second it is cut at its bound of 64 KiB and counted."""
    with (
        running_simulator(
            tmp_path, symbols="BTCUSDT", rate=20_000, send_buffer_bytes=65_536
        ) as running,
        socket.socket() as raw,
    ):
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect(("127.0.0.1", running.port))
        raw.sendall(
            b"GET /v5/public/spot HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
        )
        request = json.dumps({"op": "subscribe", "args": TOPICS[:1]}).encode()
        raw.sendall(bytes((0x81, 0x80 | len(request), 0, 0, 0, 0)) + request)
        eventually(lambda: running.status()["slow_readers"] == 1, within=30)
        assert running.status()["connections"] == 0
