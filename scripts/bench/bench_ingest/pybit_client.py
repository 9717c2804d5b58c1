"""The obvious ingest: pybit's callback, one `produce` per trade."""

from __future__ import annotations

import json
import os
import threading
from typing import Any

import pybit.unified_trading
from confluent_kafka import Producer
from pybit.unified_trading import WebSocket

from bench_ingest.frames import SYMBOLS
from bench_ingest.options import PRODUCER

producer = Producer(PRODUCER | {"bootstrap.servers": os.environ["KAFKA_BOOTSTRAP_SERVERS"]})


def on_message(message: dict[str, Any]) -> None:
    """Write each trade of a frame to Kafka."""
    for trade in message["data"]:
        while True:
            try:
                producer.produce("pybit-trades", json.dumps(trade), key=trade["s"])
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)


pybit.unified_trading.PUBLIC_WSS = os.environ["BENCH_WS_URL"]
WebSocket(testnet=False, channel_type="spot").trade_stream(list(SYMBOLS), on_message)
threading.Event().wait()
