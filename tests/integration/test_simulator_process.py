"""The simulator as a process: its commands, its refusals, its end, and a replay from file."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections import Counter
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from support.eventually import eventually
from support.simulator import running_simulator, start_simulator

if TYPE_CHECKING:
    from pathlib import Path

T0 = 1_750_507_467_356
HEADER = "id,timestamp,price,volume,side\n"
ENDS_WITHIN_SECONDS = 60


def run(*arguments: str, **settings: object) -> tuple[int, str, str]:
    """Run the command to its end; give exit status, output and errors."""
    process = start_simulator(*arguments, **settings)
    output, errors = process.communicate(timeout=ENDS_WITHIN_SECONDS)
    return process.returncode, output.decode(), errors.decode()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"rate": "fast"}, "SIMULATOR_RATE"),
        ({"speed": 101}, "SIMULATOR_SPEED"),
        ({"port": 99999}, "SIMULATOR_PORT"),
        ({"symbols": "BTCUSDT,NOPEUSDT"}, "NOPEUSDT"),
        ({"file": "/nowhere/BTCUSDT.csv"}, "/nowhere/BTCUSDT.csv"),
    ],
)
def test_a_bad_setting_ends_the_process(settings: dict[str, object], named: str) -> None:
    """Exit status 2 and one line that names what is wrong."""
    status, _, errors = run("serve", **settings)
    assert status == 2
    assert named in errors
    assert len(errors.splitlines()) == 1


def test_a_port_in_use_ends_the_process() -> None:
    """Exit status 2, and the last line names the port and the remedy."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        status, _, errors = run("serve", port=port)
    assert status == 2
    assert f"127.0.0.1:{port}" in errors.splitlines()[-1]
    assert "SIMULATOR_PORT" in errors.splitlines()[-1]


def test_a_malformed_file_ends_the_process_before_its_port_opens(tmp_path: Path) -> None:
    """Exit status 2 and one line FILE:LINE: reason."""
    path = tmp_path / "BTCUSDT_2026-08-01.csv"
    path.write_text(f"{HEADER}1,{T0},1.5,1,buy\n2,{T0},oops,1,buy\n")
    status, _, errors = run("serve", file=path)
    assert (status, errors) == (2, f"{path}:3: price was 'oops', must be a decimal number\n")


def test_sigterm_ends_the_process_cleanly(tmp_path: Path) -> None:
    """With a subscriber connected, SIGTERM ends the process with status 0 within 5 seconds."""
    with running_simulator(tmp_path) as simulator:

        async def subscribe_and_end() -> int:
            async with (
                aiohttp.ClientSession() as session,
                session.ws_connect(simulator.websocket) as client,
            ):
                await client.send_json({"op": "subscribe", "args": ["publicTrade.BTCUSDT"]})
                await client.receive()
                simulator.process.send_signal(signal.SIGTERM)
                return await asyncio.to_thread(simulator.process.wait, 5)

        assert asyncio.run(subscribe_and_end()) == 0


@pytest.mark.parametrize("suffix", ["", ",rpi"])
async def test_a_replay_sends_the_file_and_finishes(tmp_path: Path, suffix: str) -> None:
    """A replay waits for its subscriber, sends every recorded trade once, and says it is done."""
    rows = [
        f"{1000 + at},{T0 + at // 3 * 40},{100 + at / 8:.3f},0.5{at},{'buy' if at % 2 else 'sell'}"
        for at in range(300)
    ]
    more = ",1" if suffix else ""
    path = tmp_path / "LTCUSDT-recorded.csv"
    text = "".join(f"{row}{more}\n" for row in rows)
    path.write_text(HEADER.rstrip() + suffix + "\n" + text)
    with running_simulator(tmp_path, file=path, speed=10) as simulator:
        assert simulator.status()["mode"] == "replay"
        trades = await _receive(simulator.websocket, 300)
        eventually(lambda: simulator.status()["finished"], within=10)
        status, ledger = simulator.status(), simulator.ledger()
    recorded = [row.split(",") for row in rows]
    assert Counter(row[0] for row in recorded) == Counter(trade["i"] for trade in trades)
    assert [row["trade_id"] for row in ledger] == [row[0] for row in recorded]
    assert [row["side"] for row in ledger] == [row[4] for row in recorded]
    assert [float(row["price"]) for row in ledger] == [float(row[2]) for row in recorded]
    assert {trade["RPI"] for trade in trades} == {bool(suffix)}
    assert (status["sent"], status["symbols"]) == (300, {"LTCUSDT": 300})
    spans = {ledger[at + 1]["trade_time"] - ledger[at]["trade_time"] for at in range(299)}
    assert spans == {0, 4}


async def _receive(url: str, count: int) -> list[Any]:
    """Subscribe to LTCUSDT and read so many trades."""
    trades: list[Any] = []
    async with aiohttp.ClientSession() as session, session.ws_connect(url) as client:
        await client.send_json({"op": "subscribe", "args": ["publicTrade.LTCUSDT"]})
        while len(trades) < count:
            trades += json.loads(await client.receive_str(timeout=20)).get("data", [])
    return trades


def test_generate_writes_the_same_files_for_the_same_seed(tmp_path: Path) -> None:
    """Exactly N trades over the symbols, in dump format, equal for equal seeds, replayable."""
    texts = []
    for number, seed in enumerate((5, 5, 6)):
        out = tmp_path / str(number)
        arguments = ("--trades", "5000", "--seed", str(seed), "--symbols", "BTCUSDT,LTCUSDT")
        status, output, errors = run("generate", *arguments, "--out", str(out))
        assert (status, errors) == (0, ""), errors
        assert output.startswith("5000 trades")
        files = sorted(path.name for path in out.iterdir())
        assert files == ["BTCUSDT.csv", "LTCUSDT.csv"]
        texts.append("".join((out / name).read_text() for name in files))
    assert texts[0] == texts[1] != texts[2]
    assert texts[0].startswith(f"{HEADER}1,")
    assert len(texts[0].splitlines()) == 5000 + 2


@pytest.mark.parametrize(
    "arguments", [("--trades", "0"), ("--trades", "5", "--symbols", "NOPE"), ("--trades", "x")]
)
def test_generate_refuses_bad_arguments(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    """Exit status 2 and a reason, and nothing written."""
    status, _, errors = run("generate", *arguments, "--out", str(tmp_path / "out"))
    assert status == 2
    assert errors
    assert not (tmp_path / "out").exists()
