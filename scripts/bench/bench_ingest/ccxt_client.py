"""The same with ccxt pro: `watch_trades_for_symbols`, one `produce` per trade."""

from __future__ import annotations

import asyncio
import json
import os

import ccxt.pro
from confluent_kafka import Producer

from bench_ingest.frames import COINS, QUOTE
from bench_ingest.options import PRODUCER

producer = Producer(PRODUCER | {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})


async def main() -> None:
    """Read for ever."""
    exchange = ccxt.pro.bybit({"options": {"fetchMarkets": {"types": ["spot"]}}})
    exchange.cafile = os.environ["SSL_CERT_FILE"]
    exchange.urls["api"]["public"] = os.environ["BENCH_REST_URL"]
    exchange.urls["api"]["ws"]["public"]["spot"] = os.environ["BENCH_WS_URL"]
    symbols = [f"{coin}/{QUOTE}" for coin in COINS]
    while True:
        for trade in await exchange.watch_trades_for_symbols(symbols):
            while True:
                try:
                    producer.produce("ccxt-trades", json.dumps(trade), key=trade["symbol"])
                    break
                except BufferError:
                    producer.poll(0.1)
            producer.poll(0)


asyncio.run(main())
