"""The list of instruments through pybit: from the simulator, and from a server in trouble."""

from __future__ import annotations

from contextlib import asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

import pytest
from aiohttp import web
from support.servers import free_ports
from support.simulator import running_simulator

from cryptostream.ingest.backoff import Backoff
from cryptostream.ingest.instruments import (
    ATTEMPTS,
    Instrument,
    InstrumentsError,
    fetch_instruments,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

ROW = {"symbol": "BTCUSDT", "quoteCoin": "USDT", "status": "Trading"}


def quick() -> Backoff:
    """Give a back-off that doesn't hold the test up."""
    return Backoff(Random(1), base=0.1, cap=0.1)


@asynccontextmanager
async def exchange(*answers: tuple[int, object]) -> AsyncIterator[tuple[str, list[str]]]:
    """Serve these answers one after the other; give the URL and the cursors asked for."""
    left, cursors = list(answers), []

    async def handle(request: web.Request) -> web.Response:
        cursors.append(request.query.get("cursor", ""))
        status, body = left.pop(0) if len(left) > 1 else left[0]
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_get("/v5/market/instruments-info", handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", cursors
    finally:
        await runner.cleanup()


def page(*rows: object, cursor: str = "", code: int = 0) -> dict[str, object]:
    """Write an answer as Bybit does."""
    result = {"category": "spot", "list": rows, "nextPageCursor": cursor}
    return {"retCode": code, "retMsg": "m", "result": result, "retExtInfo": {}, "time": 1}


async def test_the_simulators_instruments_are_read(tmp_path: Path) -> None:
    """Pybit's own HTTP client, pointed at another address."""
    with running_simulator(tmp_path, symbols="BTCUSDT,ETHUSDT") as source:
        found = await fetch_instruments(f"{source.http}/", "spot", quick())
    assert sorted(found, key=str) == [Instrument("BTCUSDT", "USDT"), Instrument("ETHUSDT", "USDT")]


async def test_pages_are_followed_and_only_what_trades_is_kept() -> None:
    """Derivatives come in pages; a pre-listed symbol has no trades to read."""
    first = page(ROW, ROW | {"symbol": "NEWUSDT", "status": "PreLaunch"}, cursor="c1")
    async with exchange((200, first), (200, page(ROW | {"symbol": "ETHUSDT"}))) as (url, cursors):
        found = await fetch_instruments(url, "linear", quick())
    assert [one.symbol for one in found] == ["BTCUSDT", "ETHUSDT"]
    assert cursors == ["", "c1"]


async def test_trouble_that_passes_is_waited_out() -> None:
    """Too many visits, a 403 and a 502 are tried again."""
    answers = [(200, page(code=10006)), (403, {}), (502, {}), (200, page(ROW))]
    async with exchange(*answers) as (url, cursors):
        assert await fetch_instruments(url, "spot", quick()) == [Instrument("BTCUSDT", "USDT")]
    assert len(cursors) == 4


async def test_a_refusal_that_stays_is_told_at_once() -> None:
    """A wrong parameter is no matter of time."""
    async with exchange((200, page(code=10001))) as (url, cursors):
        with pytest.raises(InstrumentsError, match="INGEST_REST_URL"):
            await fetch_instruments(url, "spot", quick())
    assert len(cursors) == 1


async def test_attempts_are_bounded() -> None:
    """After the last one the error names the address and the variable."""
    async with exchange((403, {})) as (url, cursors):
        with pytest.raises(InstrumentsError, match="INGEST_REST_URL"):
            await fetch_instruments(url, "spot", quick())
    assert len(cursors) == ATTEMPTS


async def test_no_server_at_all_is_an_instruments_error() -> None:
    """Connection refused is transient, and bounded too."""
    (port,) = free_ports(1)
    with pytest.raises(InstrumentsError, match=str(port)):
        await fetch_instruments(f"http://127.0.0.1:{port}", "spot", quick())


@pytest.mark.parametrize("body", [{}, [], page({"symbol": "X"}), {"retCode": 0, "result": None}])
async def test_an_answer_of_another_shape_is_an_instruments_error(body: object) -> None:
    """Something else listens there: one clear error instead of a traceback."""
    async with exchange((200, body)) as (url, _):
        with pytest.raises(InstrumentsError, match="INGEST_REST_URL"):
            await fetch_instruments(url, "spot", quick())
