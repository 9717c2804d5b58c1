"""Trades as Bybit pushes them: JSON with its key order, and WebSocket frames around it.

A server's frames carry no mask, so one rendering serves every subscriber (RFC 6455, 5.2).
"""

from __future__ import annotations

from typing import Final, NamedTuple

from cryptostream.simulator.tape import BUY

#: A bigger match is split into several messages with the same `seq` (Bybit, 2025-08-05).
MAX_TRADES_PER_FRAME: Final = 1024
TOPIC_PREFIX: Final = "publicTrade."
_TEXT_FINAL: Final = 0x81
_LENGTH_16: Final = 126
_LENGTH_64: Final = 127


class Fill(NamedTuple):
    """One trade in the exchange's own words: decimal strings, ready to be sent."""

    trade_id: int
    price: str
    size: str
    rpi: bool


def trade_messages(
    symbol: str, *, time_ms: int, push_ms: int, side: int, seq: int, fills: list[Fill]
) -> list[str]:
    """Render one taker order as `publicTrade` messages of at most 1024 trades each.

    The key order is that of recorded spot frames; spot has no tick direction (`L`).
    """
    taker = "Buy" if side == BUY else "Sell"
    head = f'{{"topic":"{TOPIC_PREFIX}{symbol}","ts":{push_ms},"type":"snapshot","data":['
    rows = [
        f'{{"i":"{fill.trade_id}","T":{time_ms},"p":"{fill.price}","v":"{fill.size}",'
        f'"S":"{taker}","seq":{seq},"s":"{symbol}","BT":false,'
        f'"RPI":{"true" if fill.rpi else "false"}}}'
        for fill in fills
    ]
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
