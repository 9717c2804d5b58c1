"""What the stream stored becomes a data set, whole, through interruptions; a replay equals it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pytest
from elasticsearch import Elasticsearch
from support import documents

from cryptostream.contracts.features import FEATURES_HASH, initial_state, is_warm, step
from cryptostream.contracts.indices import index_name
from cryptostream.models import __main__ as command
from cryptostream.models import parquet, search
from cryptostream.models.errors import DatasetError
from cryptostream.models.export import PROGRESS, export

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.integration

START_MS = 1_767_225_600_000
TRADES = 700
STEP_MS = 1_000


@pytest.fixture
def exchange() -> str:
    """Name an exchange of the test's own, so that nobody else's trades are seen."""
    return f"x{uuid4().hex[:10]}"


@pytest.fixture
def client(elasticsearch_url: str) -> Iterator[Elasticsearch]:
    """Give a client of the real server."""
    with Elasticsearch(elasticsearch_url) as found:
        yield found


def stored(url: str, exchange: str, symbol: str, count: int = TRADES) -> list[dict[str, Any]]:
    """Write a symbol's trades as the stream does, three of each second with one block trade."""
    state, found = initial_state(), []
    for number in range(count):
        time_ms, side = START_MS + number // 3 * STEP_MS, 1 if number % 4 else -1
        price, size = 100.0 + (number * 7 % 11) * 0.01, 1.0 + number % 5
        made = documents.trade(
            symbol, number, time_ms, exchange=exchange, price=price, size=size,
            side="buy" if side > 0 else "sell", trade_id=f"t{number:06d}",
        )  # fmt: skip
        made["stream_time"] = time_ms // 60_000 * 60_000
        vector = step(state, time_ms, price, size, side)
        made |= {"features": vector, "features_hash": FEATURES_HASH, "warm": is_warm(state)}
        found.append(made)
    block = documents.trade(
        symbol, count, START_MS, exchange=exchange, block_trade=True, trade_id="block"
    )
    documents.write(url, [*found, block])
    return found


def query(exchange: str, **changes: Any) -> search.Query:
    """Ask for all of the test's trades."""
    return replace(search.Query(exchange, "spot", START_MS, START_MS + 86_400_000), **changes)


def test_an_export_holds_every_trade_in_order(
    elasticsearch_url: str, client: Elasticsearch, exchange: str, tmp_path: Path
) -> None:
    """Each trade but the block trades is there once, by symbol and time, with its vector."""
    wanted = {name: stored(elasticsearch_url, exchange, name) for name in ("AUSDT", "BUSDT")}
    manifest = export(client, query(exchange), tmp_path / "set", part_rows=200)
    assert manifest.rows == 2 * TRADES
    assert manifest.symbols == dict.fromkeys(wanted, TRADES)
    for tape in parquet.read_tapes(tmp_path / "set"):
        rows = wanted[tape.symbol]
        assert tape.price.tolist() == [row["price"] for row in rows]
        assert tape.time_ms.tolist() == [row["trade_time"] for row in rows]
        assert tape.vectors is not None
        assert tape.vectors[-1].tolist() == pytest.approx(rows[-1]["features"], rel=1e-6)
    assert not (tmp_path / "set" / PROGRESS).exists()


class _StopError(Exception):
    """What interrupts an export in the middle."""


def test_an_interrupted_export_goes_on(
    elasticsearch_url: str,
    client: Elasticsearch,
    exchange: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stopped after a part, it goes on behind it and gives the same content as a straight one."""
    stored(elasticsearch_url, exchange, "AUSDT")
    defaults = {"order": search.BY_SYMBOL, "page": 100}
    monkeypatch.setattr(search.Trades.__init__, "__kwdefaults__", defaults)
    straight = export(client, query(exchange), tmp_path / "straight", part_rows=150)

    def stop(done: int, _total: int) -> None:
        if done >= 200:
            raise _StopError

    folder = tmp_path / "broken"
    with pytest.raises(_StopError):
        export(client, query(exchange), folder, part_rows=150, advance=stop)
    assert (folder / PROGRESS).exists()
    # A part that was written, but not yet counted, is written again.
    parquet.part_path(folder, 1).write_bytes(b"torn")
    again = export(client, query(exchange), folder, part_rows=150)
    assert again.sha256 == straight.sha256
    assert again.rows == TRADES


def test_an_expired_point_in_time_is_opened_anew(
    elasticsearch_url: str,
    client: Elasticsearch,
    exchange: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the server forgets the point in time, reading goes on and misses nothing."""
    stored(elasticsearch_url, exchange, "AUSDT")
    trades, seen = search.Trades(client, query(exchange), page=100), list[str]()
    opened: list[str] = []
    open_one = trades._open
    monkeypatch.setattr(trades, "_open", lambda: opened.append(open_one()) or opened[-1])
    for page, _ in trades.pages():
        seen += [row["trade_id"] for row in page]
        if len(seen) == 300:
            client.close_point_in_time(id=opened[-1])
    assert len(opened) == 2
    assert seen == [f"t{number:06d}" for number in range(TRADES)]


def test_holes_of_the_ledger_cut_the_tape(
    elasticsearch_url: str, client: Elasticsearch, exchange: str, tmp_path: Path
) -> None:
    """An open gap starts a new segment; one that was covered doesn't."""
    stored(elasticsearch_url, exchange, "AUSDT")
    for number, state in enumerate(("open", "covered")):
        start = START_MS + 50_000 * (number + 1)
        gap = {
            "gap_id": f"{exchange}-{number}", "exchange": exchange, "category": "spot",
            "symbol": "AUSDT", "from_time": start, "to_time": start + 10_000, "cause": "silence",
            "state": state, "shard": "0/1", "recorded_time": start, "repaired_from": start + 10_000,
            "stitched": 0, "v": 1,
        }  # fmt: skip
        httpx.put(
            f"{elasticsearch_url}/{index_name('gaps', start)}/_doc/{exchange}-{number}",
            params={"refresh": "true"},
            json=gap,
            timeout=30,
        ).raise_for_status()
    manifest = export(client, query(exchange), tmp_path)
    assert manifest.holes == [("AUSDT", START_MS + 50_000, START_MS + 60_000)]
    (tape,) = parquet.read_tapes(tmp_path)
    assert sorted(set(tape.segment.tolist())) == [0, 1, 2]


def test_another_question_doesnt_mix_into_a_folder(
    elasticsearch_url: str, client: Elasticsearch, exchange: str, tmp_path: Path
) -> None:
    """A folder with one export refuses another; the same again gives the finished one."""
    stored(elasticsearch_url, exchange, "AUSDT", 10)
    first = export(client, query(exchange), tmp_path)
    assert export(client, query(exchange), tmp_path) == first
    with pytest.raises(DatasetError, match="give another folder"):
        export(client, query(exchange, symbols=("AUSDT",)), tmp_path)


def _arguments(name: str, exchange: str, *more: str) -> list[str]:
    return [name, "--exchange", exchange, "--from", "2026-01-01", "--to", "2026-01-02", *more]


def test_parity_by_command(
    elasticsearch_url: str,
    exchange: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command gives 0 where all vectors agree, 1 and the place where one doesn't."""
    monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
    rows = stored(elasticsearch_url, exchange, "AUSDT")
    assert command.main(_arguments("parity", exchange, "--json")) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"AUSDT: {TRADES} vectors equal, from the stream's own start")
    assert json.loads(lines[-1])[0]["compared"] == TRADES
    rows[400]["features"][2] += 1e-6
    documents.write(elasticsearch_url, [rows[400]])
    assert command.main(_arguments("parity", exchange)) == 1
    assert "1 of 700 vectors differ" in capsys.readouterr().out


def test_export_by_command(
    elasticsearch_url: str,
    exchange: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The command prints the manifest; without a server it says so and gives 2."""
    monkeypatch.setenv("ELASTICSEARCH_URL", elasticsearch_url)
    stored(elasticsearch_url, exchange, "AUSDT", 30)
    assert command.main(_arguments("export", exchange, "--out", str(tmp_path / "set"))) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 30
    monkeypatch.setenv("ELASTICSEARCH_URL", "http://127.0.0.1:9")
    assert command.main(_arguments("export", exchange, "--out", str(tmp_path / "none"))) == 2
    assert "run the same command again to go on" in capsys.readouterr().err
