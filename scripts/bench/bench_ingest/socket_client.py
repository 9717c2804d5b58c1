"""`python -m bench_ingest.socket_client LIBRARY LOOP URL FLOWS`: one library, ingest's decoder.

Prints the CPU seconds of each flow (lengths in trades, separated by commas), from its first
frame to its last.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Final

import aiohttp
import picows
import uvloop
import websockets

from bench_ingest.frames import SYMBOLS
from cryptostream.ingest.parse import Source, parse_frame
from cryptostream.ingest.protocol import subscribe_request, topic_of

_START: Final = b'{"topic":"publicTrade.'
_SOURCE: Final = Source("bybit", "spot", "0/1")


class Counter:
    """Decodes frames and tells the CPU time of each flow of a known length."""

    def __init__(self, flows: list[int]) -> None:
        self.over = asyncio.Event()
        self._flows = flows
        self._left = 0
        self._began = 0.0

    def take(self, raw: bytes) -> None:
        """Decode a frame."""
        if not raw.startswith(_START):
            return
        if self._left == 0:
            self._left, self._began = self._flows.pop(0), time.process_time()
        trades, _ = parse_frame(raw, _SOURCE, time.time_ns() // 1_000_000)
        self._left -= len(trades)
        if self._left == 0:
            sys.stdout.write(f"{time.process_time() - self._began}\n")
            sys.stdout.flush()
            if not self._flows:
                self.over.set()


def _request() -> bytes:
    return subscribe_request("bench", [topic_of(symbol) for symbol in SYMBOLS])


async def _aiohttp(url: str, counter: Counter) -> None:
    async with aiohttp.ClientSession() as http, http.ws_connect(url, decode_text=False) as ws:
        await ws.send_frame(_request(), aiohttp.WSMsgType.TEXT)
        while not counter.over.is_set():
            counter.take((await ws.receive()).data)


async def _websockets(url: str, counter: Counter) -> None:
    async with websockets.connect(url, compression=None) as ws:
        await ws.send(_request(), text=True)
        while not counter.over.is_set():
            counter.take(await ws.recv(decode=False))


class _Listener(picows.WSListener):
    def __init__(self, counter: Counter) -> None:
        super().__init__()
        self._counter = counter

    def on_ws_connected(self, transport: picows.WSTransport) -> None:
        """Ask for the topics."""
        transport.send(picows.WSMsgType.TEXT, _request())

    def on_ws_frame(self, _: picows.WSTransport, frame: picows.WSFrame) -> None:
        """Hand the frame on."""
        self._counter.take(frame.get_payload_as_bytes())


async def _picows(url: str, counter: Counter) -> None:
    transport, _ = await picows.ws_connect(lambda: _Listener(counter), url)
    await counter.over.wait()
    transport.disconnect()


_CLIENTS: Final = {"aiohttp": _aiohttp, "websockets": _websockets, "picows": _picows}


def main() -> None:
    """Read the flows to their end."""
    library, loop, url, flows = sys.argv[1:]
    counter = Counter([int(length) for length in flows.split(",")])
    factory = uvloop.new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(_CLIENTS[library](url, counter))


if __name__ == "__main__":
    main()
