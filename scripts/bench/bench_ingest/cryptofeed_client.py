"""cryptofeed with its own Kafka backend.

The backend waits for the answer to each record, so any linger would cap it at 1 / linger records
a second; it runs without, and without compression, since a batch is one record. Both spare it CPU.
"""

from __future__ import annotations

import asyncio
import os
import ssl

import uvloop
from cryptofeed import FeedHandler
from cryptofeed.backends.kafka import TradeKafka
from cryptofeed.connection import RestEndpoint, Routes, WebsocketEndpoint
from cryptofeed.defines import TRADES
from cryptofeed.exchanges import Bybit

from bench_ingest.frames import COINS, QUOTE

CONTEXT = ssl.create_default_context(cafile=os.environ["SSL_CERT_FILE"])


class LocalBybit(Bybit):  # type: ignore[misc]
    """cryptofeed's Bybit at another address; nothing else is changed."""

    websocket_endpoints = [  # noqa: RUF012 - the library's own declaration
        WebsocketEndpoint(
            os.environ["BENCH_WS_URL"],
            instrument_filter=("TYPE", ("spot",)),
            channel_filter=("publicTrade",),
            options={"compression": None, "ssl": CONTEXT},
        )
    ]
    rest_endpoints = [  # noqa: RUF012 - the library's own declaration
        RestEndpoint(
            os.environ["BENCH_REST_URL"],
            routes=Routes(
                [f"/v5/market/instruments-info?category={name}" for name in ("linear", "spot")]
            ),
        )
    ]


asyncio.set_event_loop(uvloop.new_event_loop())
backend = TradeKafka(
    bootstrap_servers=os.environ["KAFKA_BOOTSTRAP_SERVERS"], acks="all", enable_idempotence=True
)
handler = FeedHandler(config={"log": {"disabled": True}})
handler.add_feed(
    LocalBybit(
        symbols=[f"{coin}-{QUOTE}" for coin in COINS],
        channels=[TRADES],
        callbacks={TRADES: backend},
    )
)
handler.run()
