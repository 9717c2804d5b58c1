"""`make bench-board`: a board, a real Elasticsearch, raw viewers, and a writer in between.

The writer does as the stream does: each 200 ms one bulk of trades over all symbols, `stream_time`
stamped when it is sent. A viewer notes when a trade's line reaches its socket. The wait is measured
twice: since the bulk was *sent* (with Elasticsearch's indexing and refresh), and since it was
*answered as searchable* (`refresh=wait_for`), which is what the board itself adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import psutil
from aiohttp import ClientSession, ClientTimeout
from support.board import running_board
from support.documents import now_ms, trade
from support.servers import free_ports, running_elasticsearch

from cryptostream.cli.setup import put_templates
from cryptostream.contracts.indices import index_name
from cryptostream.contracts.settings import ElasticsearchSettings

BULK_SECONDS = 0.2
WARM_SECONDS = 3.0


def bulk(trades: list[dict[str, Any]]) -> str:
    """Render a bulk body."""
    lines = []
    for one in trades:
        place = {
            "_index": index_name("trades", one["trade_time"]),
            "_id": f"{one['symbol']}:{one['trade_id']}",
        }
        lines += [json.dumps({"create": place}), json.dumps(one)]
    return "\n".join(lines) + "\n"


class Run:
    """One load: who writes, who looks, and when each trade was where."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.symbols = [f"LOAD{number:03}USDT" for number in range(options.symbols)]
        self.sent: dict[str, int] = {}
        self.searchable: dict[str, int] = {}
        self.seen: list[tuple[str, int]] = []
        #: Unique in this run and among runs on one Elasticsearch.
        self.written = now_ms() * 1_000

    async def write(self, session: ClientSession, url: str, until: float) -> None:
        """Write trades at the rate until then; bulks overlap, as their refresh is waited for."""
        waiting: set[asyncio.Task[None]] = set()
        draw = random.Random(1)  # noqa: S311 - a load, no secret
        while time.monotonic() < until:
            began = time.monotonic()
            made = []
            for _ in range(round(self.options.rate * BULK_SECONDS)):
                self.written += 1
                made.append(trade(draw.choice(self.symbols), self.written, now_ms()))
            task = asyncio.create_task(self._bulk(session, url, made))
            waiting.add(task)
            task.add_done_callback(waiting.discard)
            await asyncio.sleep(max(0.0, BULK_SECONDS - (time.monotonic() - began)))
        await asyncio.gather(*waiting)

    async def _bulk(self, session: ClientSession, url: str, made: list[dict[str, Any]]) -> None:
        sent = now_ms()
        self.sent |= {one["trade_id"]: sent for one in made}
        async with session.post(
            f"{url}/_bulk?refresh=wait_for",
            data=bulk(made),
            headers={"Content-Type": "application/x-ndjson"},
        ) as answer:
            assert not (await answer.json())["errors"]
        done = now_ms()
        self.searchable |= {one["trade_id"]: done for one in made}

    async def look(self, session: ClientSession, board: str, symbol: str) -> None:
        """Read one stream as a browser does, and note each trade's arrival."""
        async with session.get(f"{board}/api/stream?symbol={symbol}") as stream:
            while line := await stream.content.readline():
                if line.startswith(b"data: {") and b'"trades":[{' in line:
                    at = now_ms()
                    trades = json.loads(line[6:]).get("trades", [])
                    self.seen += [(one["id"], at) for one in trades]

    async def go(self, url: str, board: str, process: psutil.Process) -> dict[str, Any]:
        """Run the load; give the figures."""
        limits = ClientTimeout(total=None, sock_read=60)
        async with ClientSession(timeout=limits, read_bufsize=2**20) as session:
            viewers = [
                asyncio.create_task(self.look(session, board, self.symbols[at % len(self.symbols)]))
                for at in range(self.options.viewers)
            ]
            start = time.monotonic()
            writing = asyncio.create_task(
                self.write(session, url, start + WARM_SECONDS + self.options.seconds)
            )
            await asyncio.sleep(WARM_SECONDS)
            counted, cpu, began = now_ms(), process.cpu_times(), time.monotonic()
            await writing
            spent, after = time.monotonic() - began, process.cpu_times()
            await asyncio.sleep(2)
            for one in viewers:
                one.cancel()
            await asyncio.gather(*viewers, return_exceptions=True)
        used = (after.user + after.system - cpu.user - cpu.system) / spent
        return self._figures(counted, used)

    def _figures(self, counted: int, cores: float) -> dict[str, Any]:
        seen = [(one, at) for one, at in self.seen if self.sent.get(one, 0) >= counted]
        from_sent = sorted(at - self.sent[one] for one, at in seen)
        added = sorted(max(0, at - self.searchable[one]) for one, at in seen)
        looked = set(self.symbols[: self.options.viewers])
        return {
            "seen": len(seen),
            "looked_at": len(looked),
            "sent_p50_ms": _share(from_sent, 0.5),
            "sent_p95_ms": _share(from_sent, 0.95),
            "p50_ms": _share(added, 0.5),
            "p95_ms": _share(added, 0.95),
            "cpu_cores": round(cores, 3),
        }


def _share(ordered: list[int], share: float) -> int:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else -1


def board_process(port: int) -> psutil.Process:
    """Find the board that this program started, by the port it listens on."""
    for child in psutil.Process().children(recursive=True):
        if any(one.laddr.port == port for one in child.net_connections() if one.status == "LISTEN"):
            return child
    raise SystemExit(f"no child listens on port {port}")


def elasticsearch() -> AbstractContextManager[str]:
    """Take the Elasticsearch of `ELASTICSEARCH_URL`, else start one."""
    given = os.environ.get("ELASTICSEARCH_URL")
    return nullcontext(given) if given else running_elasticsearch()


def main() -> int:
    """Measure, print the table and the line of JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--viewers", type=int, default=20)
    parser.add_argument("--symbols", type=int, default=200)
    parser.add_argument("--rate", type=int, default=500, help="trades per second over all symbols")
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    (port,) = free_ports(1)
    with elasticsearch() as url:
        put_templates(ElasticsearchSettings(url=url))
        with running_board(url, port) as board:
            run = Run(options)
            figures = asyncio.run(run.go(url, board, board_process(port)))
    say = sys.stdout.write
    say(f"{options.viewers} viewers, {options.symbols} symbols, {options.rate} trades/s\n")
    say(f"  trades on viewers' sockets         {figures['seen']}\n")
    say(f"  sent to Elasticsearch -> socket    p50 {figures['sent_p50_ms']} ms, ")
    say(f"p95 {figures['sent_p95_ms']} ms\n")
    say(f"  searchable -> socket               p50 {figures['p50_ms']} ms, ")
    say(f"p95 {figures['p95_ms']} ms\n")
    say(f"  the board's CPU                    {figures['cpu_cores']} cores\n")
    result = {name: figures[name] for name in ("p95_ms", "cpu_cores")}
    say(json.dumps(result | {"viewers": options.viewers}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
