"""Trades as Bybit pushes them: JSON with its key order, and WebSocket frames around it.

A server's frames carry no mask, so one rendering serves every subscriber (RFC 6455, 5.2).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from cryptostream.simulator.instruments import Instrument, decimal_text
from cryptostream.simulator.tape import BUY, Order

#: A bigger match is split into several messages with the same `seq` (Bybit, 2025-08-05).
MAX_TRADES_PER_FRAME: Final = 1024
TOPIC_PREFIX: Final = "publicTrade."
#: Close codes of a server that goes away, and of one that is restarted (RFC 6455, 7.4.1; IANA).
CLOSE_GOING_AWAY: Final = 1001
CLOSE_RESTART: Final = 1012
_CLOSE_FINAL: Final = 0x88
_TEXT_FINAL: Final = 0x81
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127
#: Prices come again and again, sizes hardly do: this saves a tenth of the time of a trade.
_price_text = lru_cache(maxsize=65_536)(decimal_text)


def trade_messages(instrument: Instrument, order: Order, push_ms: int) -> list[str]:
    """Render one taker order as `publicTrade` messages of at most 1024 trades each.

    The key order is that of recorded spot frames; spot has no tick direction (`L`).
    """
    symbol, time_ms, seq = instrument.symbol, order.time_ms, order.seq
    price_decimals, size_decimals = instrument.price_decimals, instrument.size_decimals
    side = "Buy" if order.side == BUY else "Sell"
    rows = [
        f'{{"i":"{trade_id}","T":{time_ms},"p":"{_price_text(price, price_decimals)}",'
        f'"v":"{decimal_text(size, size_decimals)}","S":"{side}","seq":{seq},"s":"{symbol}",'
        f'"BT":false,"RPI":{"true" if rpi else "false"}}}'
        for trade_id, price, size, rpi in zip(
            order.ids, order.prices, order.sizes, order.rpi, strict=True
        )
    ]
    head = f'{{"topic":"{TOPIC_PREFIX}{symbol}","ts":{push_ms},"type":"snapshot","data":['
    if len(rows) == 1:
        return [f"{head}{rows[0]}]}}"]
    return [
        head + ",".join(rows[at : at + MAX_TRADES_PER_FRAME]) + "]}"
        for at in range(0, len(rows), MAX_TRADES_PER_FRAME)
    ]


def text_frame(payload: bytes) -> bytes:
    """Wrap a payload into one unmasked, final text frame, even if it is no UTF-8."""
    size = len(payload)
    if size < _LENGTH_16:
        return bytes((_TEXT_FINAL, size)) + payload
    if size < 1 << 16:
        return bytes((_TEXT_FINAL, _LENGTH_16)) + size.to_bytes(2, "big") + payload
    return bytes((_TEXT_FINAL, _LENGTH_64)) + size.to_bytes(8, "big") + payload


def close_frame(code: int) -> bytes:
    """Give a close frame without a reason."""
    return bytes((_CLOSE_FINAL, 2)) + code.to_bytes(2, "big")
